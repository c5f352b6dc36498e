"""Real processes that are ended in the middle of a search."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

import pytest

from bluebird.cli import main
from tests.cli.searches import arguments, children, end, expect_equal, held, let_go, photos, rows_so_far, table


@pytest.fixture(scope="module")
def whole(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an unbroken search of the pictures in `photos` beside it gave."""
    folder = tmp_path_factory.mktemp("killed")
    unknown = photos(folder / "photos", 800)
    assert main(arguments(trained, unknown, folder / "whole")) == 3
    assert len(table(folder / "whole")) == 816
    return folder / "whole"


def _kill_often(search: list[str], out: Path, total: int, kills: int) -> None:
    draw, so_far = random.Random(kills), 0
    for left in range(kills, 0, -1):
        rows = so_far + draw.randint(1, max(1, (total - so_far) // (left + 1)))
        code, said = end(search, out, rows, signal.SIGKILL, draw.uniform(0, 0.005))
        assert (code, said) == (-signal.SIGKILL, "")
        before, so_far = so_far, rows_so_far(out)
        assert before <= so_far < total
    assert main(search) == 3


def test_a_search_that_was_killed_thrice_ends_as_one_that_was_not(trained: Path, whole: Path, tmp_path: Path) -> None:
    _kill_often(arguments(trained, whole.parent / "photos", tmp_path), tmp_path, total=816, kills=3)
    expect_equal(tmp_path, whole)


@pytest.mark.trial
def test_a_search_that_was_killed_a_hundred_times_ends_as_one_that_was_not(trained: Path, tmp_path: Path) -> None:
    unknown = photos(tmp_path / "photos", 8000)
    _kill_often(arguments(trained, unknown, tmp_path / "broken"), tmp_path / "broken", total=8160, kills=100)
    assert main(arguments(trained, unknown, tmp_path / "whole")) == 3
    expect_equal(tmp_path / "broken", tmp_path / "whole")


def test_control_c_says_so_in_one_line_and_the_same_command_goes_on(trained: Path, whole: Path, tmp_path: Path) -> None:
    for attempt in range(5):  # on a busy machine a search may be done before it is told to stop
        out = tmp_path / f"{attempt}"
        search = arguments(trained, whole.parent / "photos", out)
        code, said = end(search, out, 20, signal.SIGINT)
        if code != 3:
            break
    assert code == 130
    (line,) = said.splitlines()
    assert line.startswith("bluebird: interrupted; ")
    assert line.endswith("the same command goes on")
    assert json.loads((out / "status.json").read_text())["state"] == "interrupted"
    assert 20 <= len(table(out)) < 816
    assert main(search) == 3
    status = json.loads((out / "status.json").read_text())
    assert (status["state"], status["found"]) == ("done", 816)
    assert status["unchanged"] >= 20
    expect_equal(out, whole)


def test_a_search_whose_workers_are_killed_ends_as_if_they_were_not(trained: Path, whole: Path, tmp_path: Path) -> None:
    with held(arguments(trained, whole.parent / "photos", tmp_path), tmp_path, rows=20) as search:
        workers = children(search.pid)
        assert len(workers) == 2
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        code, _ = let_go(search)
    assert code == 3
    expect_equal(tmp_path, whole)
