"""Searches that are not alone: others search, change the files, or set the clock back."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from bluebird.cli import main
from tests.cli.searches import (
    arguments,
    expect_equal,
    held,
    let_go,
    photos,
    refusal,
    rows,
    rows_so_far,
    table,
)
from tests.conftest import REPOSITORY, MakeFolder

_YEAR_SECONDS = 31_556_952
_AGES = {"first": -67.9, "early": -1.5, "now": 56.0, "late": 130.0, "last": 292.0}  # years since 1970


def test_a_second_search_into_one_folder_is_refused_and_the_first_ends_as_if_alone(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown, out = photos(tmp_path / "photos", 200), tmp_path / "out"
    search = arguments(trained, unknown, out)
    (tmp_path / "elsewhere").mkdir()
    with held(search, out, rows=20) as first:
        before = {file.name: file.read_bytes() for file in out.iterdir()}
        line = refusal(search)
        assert line.startswith(f"bluebird: {str(out)!r}: is searched into by process {first.pid} on ")
        assert line.endswith(" now; wait for it, or choose another --out")
        assert main(arguments(trained, tmp_path / "elsewhere", out)) == 2
        assert capsys.readouterr().err == f"{line}\n"
        assert {file.name: file.read_bytes() for file in out.iterdir()} == before
        assert 20 <= rows_so_far(out) < 204
        assert main(arguments(trained, unknown, tmp_path / "alone")) == 3  # there is room beside it
        code, said = let_go(first)
    assert code == 3
    assert said.replace(str(out), str(tmp_path / "alone")) == capsys.readouterr().out
    expect_equal(out, tmp_path / "alone")


def test_files_that_vanish_or_change_under_a_search_get_a_row_each_and_are_right_the_next_time(
    trained: Path, tmp_path: Path
) -> None:
    unknown, out = photos(tmp_path / "photos", 420), tmp_path / "out"
    search = arguments(trained, unknown, out)
    late = sorted((unknown / "6").iterdir())
    with held(search, out, rows=20) as first:
        assert rows_so_far(out) < 200  # all are listed by now, and the late ones far from being read
        listed = {str(path.relative_to(unknown)) for path in unknown.rglob("*.jpg")}
        late[0].unlink()
        late[1].write_text("no picture any more")
        late[2].write_bytes(late[3].read_bytes() + b"another")
        os.truncate(late[4], 0)
        late[5].rename(unknown / "moved.jpg")
        code, said = let_go(first)
    assert (code, len(said.splitlines())) == (3, 5)
    reasons = {row["path"]: row["reason"] for row in rows(out, "failures.csv")}
    assert {row["path"] for row in rows(out)} | reasons.keys() == listed
    fates = [reasons.get(f"6/{path.name}") for path in late[:6]]
    assert [fates[0], fates[2], fates[5]] == ["no such file", None, "no such file"]
    assert main(search) == main(arguments(trained, unknown, tmp_path / "fresh")) == 3
    _expect_equal_but_for_gone(out, tmp_path / "fresh")


def _expect_equal_but_for_gone(out: Path, fresh: Path) -> None:
    expected = table(fresh)
    names = {row[0] for row in expected}
    assert [row for row in table(out) if row[0] in names] == expected
    assert (out / "finds.csv").read_bytes() == (fresh / "finds.csv").read_bytes()


def _meddle(draw: random.Random, files: list[Path], pictures: list[bytes]) -> None:
    """Do something to one of the files; no two contents have one size."""
    path, data = draw.choice(files), draw.choice(pictures)
    with suppress(FileNotFoundError):
        match draw.randrange(4):
            case 0:
                path.unlink()
            case 1:
                path.write_bytes(data + bytes(draw.randrange(2**16)))  # seen empty and in parts by whoever reads it now
            case 2:
                os.truncate(path, draw.randrange(len(data)))
            case 3:
                path.rename(draw.choice(files))


@pytest.mark.trial
def test_a_search_through_files_that_never_rest_comes_to_its_end(trained: Path, tmp_path: Path) -> None:
    unknown, out, draw = photos(tmp_path / "photos", 4000), tmp_path / "out", random.Random(6)
    files = sorted(unknown.rglob("*.jpg"))
    restless, pictures = files[::2], [path.read_bytes() for path in files[:40]]
    search = arguments(trained, unknown, out)
    command = [sys.executable, "-m", "bluebird", *search]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            _meddle(draw, restless, pictures)
        _, err = process.communicate()
    assert (process.returncode, err) == (3, b"")
    names = [row["path"] for name in ("finds.csv", "failures.csv") for row in rows(out, name)]
    assert len(names) == len(set(names))
    assert {str(path.relative_to(unknown)) for path in files[1::2]} <= set(names)
    assert main(search) == main(arguments(trained, unknown, tmp_path / "fresh")) == 3
    _expect_equal_but_for_gone(out, tmp_path / "fresh")


def test_a_picture_that_breaks_loses_its_score(trained: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    folder, out = make_folder(3, "unknown"), tmp_path / "out"
    assert main(arguments(trained, folder, out)) == 0
    os.truncate(folder / "red" / "001.png", 400)
    assert main(arguments(trained, folder, out)) == 3
    assert [row[0] for row in table(out) if row[-1] is None] == ["red/001.png"]


def _date(path: Path, years: float) -> None:
    moment = int(years * _YEAR_SECONDS) * 10**9 + 123_456_789
    os.utime(path, ns=(moment, moment))
    if path.stat().st_mtime_ns != moment:
        pytest.skip("this disk does not know such a time")


def test_files_from_any_time_are_scored_and_known_again(
    trained: Path, make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = make_folder(5, "unknown", classes=("blue",)), tmp_path / "out"
    for path, years in zip(sorted(folder.rglob("*.png")), _AGES.values(), strict=True):
        _date(path, years)
    said = []
    for _ in range(2):
        assert main(arguments(trained, folder, out)) == 0
        said.append(capsys.readouterr().out)
    assert "5 found = 5 scored" in said[0]
    assert said[0] == said[1]
    assert [row[2] for row in table(out)] == [path.stat().st_mtime_ns for path in sorted(folder.rglob("*.png"))]
    assert '"unchanged": 5' in (out / "status.json").read_text()


def test_a_file_from_the_far_future_is_scored(trained: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(2, "unknown", classes=("blue",))
    _date(folder / "blue" / "000.png", 317.0)
    assert main(arguments(trained, folder, tmp_path / "out")) == 0


def test_a_file_that_grew_older_is_scored_anew_if_its_content_changed_and_right_in_any_case(
    trained: Path, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder, out = make_folder(3, "unknown"), tmp_path / "out"
    search = arguments(trained, folder, out)
    assert main(search) == 0
    first = {row["path"]: row["score"] for row in rows(out)}
    shutil.copyfile(folder / "red" / "000.png", folder / "blue" / "000.png")
    for name, years in (("blue/000.png", 20.0), ("blue/001.png", -20.0), ("red/001.png", 30.0)):
        _date(folder / name, years)
    assert main(search) == main(arguments(trained, folder, tmp_path / "fresh")) == 0
    expect_equal(out, tmp_path / "fresh")
    assert {row["path"]: row["score"] for row in rows(out)} == first | {"blue/000.png": first["red/000.png"]}


_BACKWARDS = """
import itertools, sys, time
seconds = itertools.count(4_000_000_000, -3600)
time.time = lambda: float(next(seconds))
time.time_ns = lambda: next(seconds) * 10**9
from bluebird.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_clock_that_runs_backwards_changes_nothing(trained: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    folder, dumps = make_folder(20, "unknown"), []
    assert main(arguments(trained, folder, tmp_path / "forwards")) == 0
    backwards = arguments(trained, folder, tmp_path / "backwards", "--log-file", str(tmp_path / "log"))
    subprocess.run([sys.executable, "-c", _BACKWARDS, *backwards], cwd=REPOSITORY, check=True, capture_output=True)
    for name in ("forwards", "backwards"):
        with closing(sqlite3.connect(tmp_path / name / "finds.sqlite")) as ledger:
            dumps.append(list(ledger.iterdump()))  # every column of every table
    assert dumps[0] == dumps[1]
    for result in ("finds.csv", "failures.csv"):
        assert (tmp_path / "backwards" / result).read_bytes() == (tmp_path / "forwards" / result).read_bytes()
