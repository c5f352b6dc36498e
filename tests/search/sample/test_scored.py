from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from bluebird.search.sample import read_paths, read_scored
from tests.search.ledgers import open_ledger, scored

NAMES = ["a.jpg", "b.jpg", "c.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_ledger(tmp_path) as ledger:
        ledger.aim(["bluebird"])
        ledger.record([scored(name, (place / 4, 0.0, 0.0)) for place, name in enumerate(NAMES)])
        ledger.finish()
    return tmp_path


def test_reading_a_ledger_leaves_it_as_it_was_and_nothing_beside_it(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    read = read_scored(folder)
    assert read_paths(read, np.arange(3)) == NAMES
    assert read.scores.tolist() == [0.0, 0.25, 0.5]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_beside_a_search_that_runs_it_reads_what_is_written_and_takes_nothing_away(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        ledger.record([scored("d.jpg", (0.75, 0.0, 0.0))])
        beside = {path.name for path in folder.iterdir()}
        assert read_scored(folder).scores.tolist() == [0.0, 0.25, 0.5, 0.75]
        assert {path.name for path in folder.iterdir()} == beside
        ledger.record([scored("e.jpg", (1.0, 0.0, 0.0))])
        assert ledger.counts().scored == 2
    assert len(read_scored(folder).scores) == 5


def test_what_a_killed_search_left_in_its_log_counts(folder: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    with open_ledger(folder) as ledger:
        ledger.record([scored("d.jpg", (0.75, 0.0, 0.0))])
        for name in ("finds.sqlite", "finds.sqlite-wal"):
            (killed / name).write_bytes((folder / name).read_bytes())
    assert len(read_scored(killed).scores) == 4
    with closing(sqlite3.connect(killed / "finds.sqlite")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
