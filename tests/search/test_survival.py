from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.conftest import REPOSITORY
from tests.search.ledgers import ask
from tests.search.mortal import BATCH, file_of

_ALL = """SELECT path, size, mtime_ns, status, reason, digest, width, height, orientation, taken, dhash, probs,
          novelty, embedding, model, gone, score FROM pictures LEFT JOIN scores USING (id) ORDER BY path"""


class Nursery:
    """Starts searches, each in a process of its own."""

    def __init__(self, asks: IO[str], answers: IO[str]) -> None:
        self._asks, self._answers = asks, answers

    def start(self, folder: Path, count: int = 0) -> int:
        """The process that goes through `count` files, or on and on."""
        print(count, folder, file=self._asks, flush=True)
        return self.wait_for("started")[-1]

    def wait_for(self, word: str, times: int = 1) -> list[int]:
        """What comes behind the word, each time that it is said."""
        heard: list[int] = []
        while len(heard) < times:
            said, *number = self._answers.readline().split()
            heard += [int(number[0]) if number else 0] if said == word else []
            assert said in (word, "new", "started"), f"the search ended: {said} {number}"
        return heard

    def search(self, folder: Path, count: int) -> list[tuple[Any, ...]]:
        """The table after a run that nobody broke off."""
        self.start(folder, count)
        assert self.wait_for("ended") == [0]
        return ask(folder, _ALL)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-m", "tests.search.mortal"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Nursery(process.stdin, process.stdout)
        process.stdin.close()


def check(folder: Path) -> int:
    """Whether what a dead search left is sound; how many files it holds."""
    if not (folder / "finds.sqlite").exists() or not ask(folder, "SELECT name FROM sqlite_master"):
        return 0  # it died before it had begun
    assert ask(folder, "PRAGMA integrity_check") == [("ok",)]
    paths = [path for (path,) in ask(folder, "SELECT path FROM pictures ORDER BY path")]
    assert paths == [file_of(number).name for number in range(len(paths))]
    assert len(paths) % BATCH == 0
    unscored = ask(folder, "SELECT count(*) FROM pictures LEFT JOIN scores USING (id) WHERE score IS NULL")
    assert unscored == ask(folder, "SELECT count(*) FROM pictures WHERE status != 'scored'")
    return len(paths)


def kill_one(nursery: Nursery, folder: Path, batches: int, seconds: float) -> int:
    """Kill a search this long after it began this many new batches; how many files there are then."""
    victim = nursery.start(folder)
    nursery.wait_for("new", batches)
    time.sleep(seconds)
    os.kill(victim, signal.SIGKILL)
    assert os.WTERMSIG(nursery.wait_for("ended")[0]) == signal.SIGKILL
    return check(folder)


@pytest.mark.parametrize("kills", [20, pytest.param(100, marks=pytest.mark.trial)])
def test_a_search_that_is_killed_again_and_again_ends_with_the_table_of_one_that_was_not(
    nursery: Nursery, tmp_path: Path, kills: int
) -> None:
    rng, held = random.Random(kills), 0
    for number in range(kills):
        batches = number % 2 * rng.randint(1, 5)  # every second one while it opens the ledger or looks up what is there
        before, held = held, kill_one(nursery, tmp_path / "killed", batches, rng.uniform(0, 0.004))
        assert held >= before + (batches - 1) * BATCH if batches else held >= before
    count = held + 10 * BATCH
    resumed = nursery.search(tmp_path / "killed", count)
    assert len(resumed) == count
    assert resumed == nursery.search(tmp_path / "unbroken", count)
