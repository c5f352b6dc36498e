"""Searches that lose the power, or the room on their disk."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from itertools import cycle
from pathlib import Path

import pytest

from bluebird.cli import main
from tests.cli.searches import arguments, end, expect_equal, photos
from tests.conftest import mount

Capture = pytest.CaptureFixture[str]
_FULL = ("No space left on device", "disk is full")
_HEADER, _FRAME = 32, 24 + 4096  # of a write-ahead log, in bytes


def _killed(trained: Path, folder: Path, count: int, rows: int) -> tuple[Path, Path]:
    """What a search of `count` pictures left that was killed after `rows` rows, and what an unbroken one gave."""
    unknown, killed, whole = photos(folder / "photos", count), folder / "killed", folder / "whole"
    assert main(arguments(trained, unknown, whole)) == 3
    assert end(arguments(trained, unknown, killed), killed, rows, signal.SIGKILL)[0] == -signal.SIGKILL
    with closing(sqlite3.connect(whole / "finds.sqlite")) as ledger:
        assert ledger.execute("PRAGMA page_size").fetchone() == (4096,)
    return killed, whole


def _least(index: bytes) -> int:
    """Up to where the log must have been on the disk, for from there it was copied into the database.

    Source: https://sqlite.org/walformat.html, section 2.1, `nBackfillAttempted`.
    """
    (copied,) = struct.unpack_from("=I", index, 128)
    return _HEADER + int(copied) * _FRAME if copied else 0


def _losses(log: bytes, least: int, draw: random.Random) -> Iterator[bytes]:
    """What a power cut may leave of a log: a part of it, or with other bytes at its end; without end."""
    yield from (log[:length] for length in (0, 13, _HEADER) if length >= least)
    for kind in cycle(range(4)):
        length = draw.randrange(least, len(log))
        lost = len(log) - length
        flipped = bytes([log[length] ^ 1 << draw.randrange(8)]) + log[length + 1 :]
        yield log[:length] + (b"", bytes(lost), draw.randbytes(lost), flipped)[kind]


@pytest.mark.parametrize(
    ("count", "rows", "losses"),
    [(200, 60, 7), pytest.param(3000, 2500, 20, marks=pytest.mark.trial)],
    ids=["before the log is copied", "after"],
)
def test_what_a_power_cut_takes_of_the_log_is_searched_again(
    trained: Path, tmp_path: Path, count: int, rows: int, losses: int
) -> None:
    killed, whole = _killed(trained, tmp_path, count, rows)
    log, index = ((killed / f"finds.sqlite-{part}").read_bytes() for part in ("wal", "shm"))
    assert len(log) > 20 * _FRAME
    kept = set()
    for number, left in zip(range(losses), _losses(log, _least(index), random.Random(count)), strict=False):
        out = tmp_path / f"after {number}"
        out.mkdir()
        shutil.copy(killed / "finds.sqlite", out)
        (out / "finds.sqlite-wal").write_bytes(left)
        assert main(arguments(trained, tmp_path / "photos", out)) == 3
        kept.add(json.loads((out / "status.json").read_text())["unchanged"])
        expect_equal(out, whole)
        shutil.rmtree(out)
    assert min(kept) < max(kept)  # not each time the same


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    return photos(tmp_path / "photos", 100)


def _refused(search: list[str], capsys: Capture) -> str:
    capsys.readouterr()
    assert main(search) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    return line


@pytest.mark.parametrize("free", [0, pytest.param(40, marks=pytest.mark.trial), 200, 600])
def test_a_search_that_finds_no_room_says_so_in_one_line_and_goes_on_when_there_is(
    trained: Path, unknown: Path, disk: Path, tmp_path: Path, capsys: Capture, free: int
) -> None:
    """With so many KiB it cannot begin, or runs out of room among the pictures or the results."""
    search = arguments(trained, unknown, disk / "out")
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        ballast.write(bytes(2**21 - 2**10 * free))
    line = _refused(search, capsys)
    assert line.startswith(f"bluebird: '{disk / 'out'}")
    assert any(reason in line for reason in _FULL)
    (disk / "ballast").unlink()
    assert main(search) == main(arguments(trained, unknown, tmp_path / "whole")) == 3
    expect_equal(disk / "out", tmp_path / "whole")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_status_file_that_finds_no_room_is_named(
    trained: Path, unknown: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "status.json.part").symlink_to("/dev/full")
    assert str(tmp_path / "out") in _refused(arguments(trained, unknown, tmp_path / "out"), capsys)


def test_a_disk_that_may_only_be_read_is_refused_in_one_line_whether_there_is_a_search_or_not(
    trained: Path, unknown: Path, disk: Path, capsys: Capture
) -> None:
    assert main(arguments(trained, unknown, disk / "old")) == 3
    mount("-o", "remount,ro", str(disk))
    for name in ("old", "new"):
        line = _refused(arguments(trained, unknown, disk / name), capsys)
        assert line.startswith(f"bluebird: '{disk / name}")
        assert os.strerror(30) in line
    mount("-o", "remount,rw", str(disk))
    assert main(arguments(trained, unknown, disk / "old")) == 3


@pytest.mark.skipif(not os.geteuid(), reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused_in_one_line(
    trained: Path, unknown: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "out").mkdir(mode=0o555)
    line = _refused(arguments(trained, unknown, tmp_path / "out"), capsys)
    assert line.startswith(f"bluebird: '{tmp_path / 'out'}")
    assert os.strerror(13) in line
