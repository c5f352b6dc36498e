from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bluebird.errors import DataError
from bluebird.search.found import Found
from bluebird.search.progress import Progress
from bluebird.search.row import Row

KEYS = {"state", "found", "total", "scored", "failed", "skipped", "unchanged", "finds", "per_second", "eta_seconds",
        "seconds"}  # fmt: skip


@dataclass
class Counted:
    """A source of so many files, which may not be there."""

    count: int
    there: bool = True

    def __iter__(self) -> Iterator[Found]:
        if not self.there:
            raise DataError("gone")
        return (Found(f"{number}.jpg", 1, 1) for number in range(self.count))

    def read(self, name: str) -> bytes:
        return b""


def _rows(count: int, status: str = "scored", score: float | None = None) -> list[Row]:
    return [Row(f"{number}.jpg", 1, 1, status, score=score) for number in range(count)]  # type: ignore[arg-type]


def _read(path: Path) -> dict[str, Any]:
    (line,) = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert line.endswith("}\n")
    status = json.loads(line)
    assert set(status) == KEYS
    return dict(status)


def _counted(progress: Progress) -> None:
    """Waits until the files have been counted in the background."""
    progress._census.join(60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "status.json"


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written at every note."""
    monkeypatch.setattr("bluebird.search.progress._EVERY_SECONDS", 0)


@pytest.mark.usefixtures("_at_once")
def test_the_status_is_told_at_the_start_on_the_way_and_at_the_end(path: Path) -> None:
    with Progress(Counted(40), path, 0.5) as progress:
        assert {key: _read(path)[key] for key in ("state", "found", "finds")} == {
            "state": "running",
            "found": 0,
            "finds": 0,
        }
        _counted(progress)
        progress.note([], 10)
        progress.note([*_rows(6, score=0.9), *_rows(4, score=0.1), *_rows(3, "failed"), *_rows(2, "skipped")], 0)
        status = _read(path)
        counts = {"scored": 10, "failed": 3, "skipped": 2, "unchanged": 10, "finds": 6, "found": 25, "total": 40}
        assert {key: status[key] for key in counts} == counts
        assert status["state"] == "running"
        assert progress.found == 25
        progress.note(_rows(15, score=0.5), 0)
    done = {"state": "done", "found": 40, "total": 40, "finds": 21, "eta_seconds": 0}
    assert {key: _read(path)[key] for key in done} == done
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("accept", "finds"), [(0.0, 4), (0.3, 3), (0.9, 1), (1.0, 0)])
def test_finds_are_counted_from_the_accepted_score_on_among_what_is_new(path: Path, accept: float, finds: int) -> None:
    with Progress(Counted(9), path, accept) as progress:
        progress.note([*_rows(1, score=0.1), *_rows(2, score=0.3), *_rows(1, score=0.9), *_rows(1, "failed")], 4)
    assert (_read(path)["finds"], _read(path)["unchanged"]) == (finds, 4)


@pytest.mark.parametrize(("error", "state"), [(KeyboardInterrupt, "interrupted"), (DataError, "failed")])
def test_how_it_ended_is_told(error: type[BaseException], state: str, path: Path) -> None:
    def search() -> None:
        with Progress(Counted(9), path, 0.5) as progress:
            progress.note(_rows(5), 0)
            raise error("at once")

    with pytest.raises(error):
        search()
    status = _read(path)
    assert (status["state"], status["found"], status["scored"]) == (state, 5, 5)


def test_a_search_of_nothing_has_an_end_too(path: Path) -> None:
    with Progress(Counted(0), path, 0.5):
        pass
    assert (_read(path)["state"], _read(path)["total"], _read(path)["per_second"]) == ("done", 0, 0)


@pytest.mark.usefixtures("_at_once")
def test_without_a_total_there_is_no_eta(path: Path) -> None:
    with Progress(Counted(9, there=False), path, 0.5) as progress:
        _counted(progress)
        progress.note(_rows(5), 0)
        status = _read(path)
    assert (status["total"], status["eta_seconds"]) == (None, None)
    assert status["per_second"] > 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds; tests set it."""
    now = [0.0]
    monkeypatch.setattr("bluebird.search.progress.time.monotonic", lambda: now[0])
    return now


@pytest.mark.usefixtures("_at_once")
def test_the_eta_goes_by_the_pace_of_late(path: Path, clock: list[float]) -> None:
    with Progress(Counted(100_000), path, 0.5) as progress:
        _counted(progress)
        for second in range(1, 4):  # unchanged: 20,000 a second
            clock[0] = second
            progress.note([], 20_000)
        assert _read(path)["per_second"] == 20_000
        assert _read(path)["eta_seconds"] == 2
        for second in range(4, 104):  # new: 100 a second
            clock[0] = second
            progress.note(_rows(100), 0)
        assert _read(path)["per_second"] == 100
        assert _read(path)["eta_seconds"] == 300
        clock[0] = 203  # one file that took long
        progress.note(_rows(100), 0)
        assert _read(path)["per_second"] == pytest.approx(1, abs=0.5)
        assert _read(path)["seconds"] == 203


@pytest.mark.usefixtures("_at_once")
def test_files_that_came_after_the_count_make_no_negative_eta(path: Path, clock: list[float]) -> None:
    with Progress(Counted(5), path, 0.5) as progress:
        _counted(progress)
        clock[0] = 1
        progress.note(_rows(7), 0)
        assert (_read(path)["found"], _read(path)["eta_seconds"]) == (7, 0)
    assert _read(path)["total"] == 7


@pytest.mark.usefixtures("_at_once")
def test_whoever_reads_along_never_sees_half_a_line(path: Path) -> None:
    seen, failed, ended = set(), [], threading.Event()

    def read() -> None:
        while not ended.is_set():
            try:
                seen.add(_read(path)["found"])
            except (ValueError, AssertionError) as error:
                failed.append(error)

    with Progress(Counted(3000), path, 0.5) as progress:
        reader = threading.Thread(target=read)
        reader.start()
        while len(seen) < 20 and progress.found < 10**6:
            progress.note(_rows(1), 0)
        ended.set()
        reader.join()
    assert failed == []
    assert len(seen) >= 20


def test_a_status_that_cannot_be_written_any_more_stops_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with Progress(Counted(5), folder / "status.json", 0.5) as progress:
        (folder / "status.json").unlink()
        folder.rmdir()
        progress.note(_rows(5), 0)
    assert progress.found == 5


def test_the_count_ends_with_the_search(path: Path) -> None:
    with Progress(Counted(10**9), path, 0.5) as progress:
        assert progress._census.is_alive()
    progress._census.join(60)
    assert not progress._census.is_alive()
