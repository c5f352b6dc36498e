"""The ledger over several runs against a plain dict."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluebird.search.found import Found
from bluebird.search.ledger import Ledger
from bluebird.search.names import printable
from bluebird.search.row import Row
from tests.search.ledgers import ask, failed, open_ledger, scored, skipped

NAMES = ["a.jpg", "b/a.jpg", "b/ä.jpg", "m\udcf6we.jpg", "m\\udcf6we.jpg", ".x", "c.zip!d.jpg", "e.mp4#t=1.0"]
FILES = st.builds(
    Found,
    st.sampled_from(NAMES),
    st.integers(0, 5),
    st.integers(0, 1),
    st.sampled_from(["", "", "", "hidden file", "not a regular file"]),
)


@dataclass(frozen=True)
class Run:
    """What is there, in what pieces it comes, by which model it is scored, whether it comes to an end."""

    files: list[Found]
    piece: int
    model: str
    retry_failed: bool
    finished: bool


@dataclass(frozen=True)
class Known:
    """What a dict knows of a file."""

    row: Row
    model: str
    run: int
    gone: bool = False


RUNS = st.builds(
    Run,
    st.lists(FILES, max_size=8, unique_by=lambda file: file.name),
    st.integers(1, 4),
    st.sampled_from(["first", "second"]),
    st.booleans(),
    st.sampled_from([True, True, True, False]),
)


def row_of(file: Found, model: str) -> Row:
    if file.skipped:
        return skipped(file)
    if file.size % 3 == 0:
        return failed(file, f"broken at {file.size}")
    share = file.size / 8 + (model == "first") / 16
    return scored(file, (share, 1 - share, 0.0))


def still_holds(known: Known, file: Found, run: Run) -> bool:
    old = known.row
    if (old.size, old.mtime_ns) != (file.size, file.mtime_ns):
        return False
    if file.skipped or old.status == "skipped":
        return old.status == "skipped" and old.reason == file.skipped
    return not run.retry_failed if old.status == "failed" else known.model == run.model


def go_through(ledger: Ledger, run: Run, number: int, oracle: dict[str, Known]) -> None:
    for start in range(0, len(run.files), run.piece):
        files = run.files[start : start + run.piece]
        holding = {file.name for file in files if file.name in oracle and still_holds(oracle[file.name], file, run)}
        assert ledger.unchanged(files, retry_failed=run.retry_failed) == holding
        oracle |= {name: replace(oracle[name], run=number, gone=False) for name in holding}
        rows = [row_of(file, run.model) for file in files if file.name not in holding]
        ledger.record(rows)
        oracle |= {row.name: Known(row, run.model, number) for row in rows}


def check(ledger: Ledger, folder: Path, number: int, oracle: dict[str, Known]) -> None:
    counts = ledger.counts()
    seen = [known.row.status for known in oracle.values() if known.run == number]
    assert (counts.scored, counts.failed, counts.skipped) == tuple(map(seen.count, ("scored", "failed", "skipped")))
    assert counts.found == len(seen)
    assert counts.gone == sum(known.gone for known in oracle.values())
    query = "SELECT path, size, mtime_ns, status, reason, probs, novelty, model, run, gone FROM pictures"
    assert sorted(ask(folder, query)) == sorted(
        (printable(name), known.row.size, known.row.mtime_ns, known.row.status, known.row.reason, known.row.probs,
         known.row.novelty, known.model, known.run, known.gone)
        for name, known in oracle.items()
    )  # fmt: skip


def live(runs: list[Run]) -> None:
    oracle: dict[str, Known] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, run in enumerate(runs, 1):
            with open_ledger(Path(folder), model=run.model) as ledger:
                go_through(ledger, run, number, oracle)
                if run.finished:
                    going = {name for name, known in oracle.items() if known.run < number and not known.gone}
                    assert ledger.finish() == len(going)
                    oracle |= {name: replace(oracle[name], gone=True) for name in going}
                check(ledger, Path(folder), number, oracle)


@given(st.lists(RUNS, max_size=4))
@settings(max_examples=40, deadline=None)
def test_after_any_runs_it_holds_what_a_dict_holds(runs: list[Run]) -> None:
    live(runs)


@pytest.mark.trial
@given(st.lists(RUNS, max_size=8))
@settings(max_examples=1000, deadline=None)
def test_after_any_runs_it_holds_what_a_dict_holds_a_thousand_times(runs: list[Run]) -> None:
    live(runs)
