"""The ledger on a real disk that has no room, or takes no more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bluebird.errors import OutputError
from bluebird.search.ledger import Ledger
from bluebird.search.row import Row
from tests.conftest import mount
from tests.search.ledgers import ask, open_ledger, scored

_BATCH = 50


def batch(number: int) -> list[Row]:
    return [scored(f"{number:04d}/{place:02d}.jpg", digest=os.urandom(16)) for place in range(_BATCH)]


def record_all(ledger: Ledger, written: list[int]) -> None:
    for number in range(1000):
        ledger.record(batch(number))
        written.append(number)


def record_until_full(ledger: Ledger) -> int:
    """The number of the batch that found no room."""
    written: list[int] = []
    with pytest.raises(OutputError) as refusal:
        record_all(ledger, written)
    assert str(refusal.value).startswith(f"{str(ledger.path)!r}: cannot be used (database or disk is full)")
    assert "\n" not in str(refusal.value)
    return len(written)


def test_on_a_full_disk_what_was_written_stays_and_with_room_the_same_call_goes_on(disk: Path) -> None:
    (disk / "other").write_bytes(bytes(800_000))
    with open_ledger(disk) as ledger:
        ledger.aim(["bluebird"])
        full = record_until_full(ledger)
        assert full > 2
        assert ledger.counts().scored == full * _BATCH
        with pytest.raises(OutputError, match="disk is full"):
            ledger.record(batch(full))
        (disk / "other").unlink()
        ledger.record(batch(full))
        assert ledger.counts().found == (full + 1) * _BATCH
    assert ask(disk, "PRAGMA integrity_check") == [("ok",)]
    assert ask(disk, "SELECT count(*), count(DISTINCT path) FROM finds") == [((full + 1) * _BATCH,) * 2]


def test_a_run_that_ended_on_a_full_disk_goes_on_later(disk: Path) -> None:
    (disk / "other").write_bytes(bytes(800_000))
    with open_ledger(disk) as ledger:
        full = record_until_full(ledger)
    assert ask(disk, "SELECT count(*) FROM pictures") == [(full * _BATCH,)]
    (disk / "other").unlink()
    with open_ledger(disk) as ledger:
        ledger.record(batch(full))
    assert ask(disk, "SELECT count(*) FROM pictures") == [((full + 1) * _BATCH,)]


@pytest.mark.parametrize("free", [0, 4096, 3 * 4096, 8 * 4096])
def test_a_ledger_that_finds_no_room_to_begin_is_refused_in_one_line_and_begins_later(disk: Path, free: int) -> None:
    with (disk / "other").open("wb", buffering=0) as file:
        file.write(bytes(2 * 2**20 - free))
    with pytest.raises(OutputError) as refusal, open_ledger(disk):
        pass
    assert "\n" not in str(refusal.value)
    assert "disk is full" in str(refusal.value) or "No space left" in str(refusal.value)
    (disk / "other").unlink()
    with open_ledger(disk) as ledger:
        ledger.record(batch(0))
        assert ledger.counts().found == _BATCH


def test_a_disk_that_may_not_be_written_is_refused_in_one_line(disk: Path) -> None:
    with open_ledger(disk) as ledger:
        ledger.record(batch(0))
    mount("-o", "remount,ro", str(disk))
    for _ in range(2):
        with pytest.raises(OutputError, match=r"finds\.sqlite': cannot be used \(Read-only file system\)"):
            open_ledger(disk).__enter__()
    mount("-o", "remount,rw", str(disk))
    with open_ledger(disk) as ledger:
        assert ledger.run == 2
