"""A browser with the WANTED page open in it, for the tests that need one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluebird.search.results import Failure, Find, write_page
from tests.browser import Page
from tests.search.results.example import HOSTILE, find, pictures, results

CARDS = 600
LOOKALIKE = Find(CARDS + 1, "in/alike.jpg", 0.3, 0.97, (0.3, 0.7, 0.0, 0.0), 640, 480)
LONG = "a_very_long_file_name_without_any_place_to_break_" * 5


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 600 finds, three siblings, one look-alike, one failure, and names that mean harm."""
    finds = [find(1, "in/best.jpg", 0.97)]
    finds += [find(1, f"in/sibling {n}.jpg", 0.96, leader="in/best.jpg") for n in range(3)]
    finds += [find(2, HOSTILE, 0.96, novelty=0.95), find(3, f"in/{LONG}.jpg", 0.96), find(4, "in/none.jpg", 0.96)]
    finds += [find(rank, f"in/{rank}.jpg", 0.95 - rank / 10_000) for rank in range(5, CARDS + 1)]
    classes = ("bluebird", HOSTILE, LONG, "owl")
    search = results([*finds, LOOKALIKE], [Failure(HOSTILE + LONG, HOSTILE, "failed")], classes)
    path = tmp_path_factory.mktemp("out") / "finds.html"
    write_page(search, path, pictures)
    return path


@pytest.fixture
def file(written: Path, tmp_path: Path) -> Path:
    """A copy at a place of its own, for which the browser has kept nothing yet."""
    return Path(shutil.copy(written, tmp_path))


@pytest.fixture
def opened(page: Page, file: Path) -> Iterator[Page]:
    """The page, freshly opened and not used before; no test may leave an error in its console."""
    page.resize(1280, 900)
    page.open(file)
    yield page
    assert page.errors == []
