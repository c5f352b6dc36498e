"""What has gone since the last run of a search, told from what could not be seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluebird.search.found import Found
from bluebird.search.ledger import Ledger
from bluebird.search.names import printable
from tests.search.ledgers import ask, failed, found, open_ledger, scored

WHOLES = ["a.zip", "b/c!d.tar", "caf\udce9.zip", "clip.mp4", "photos.dat"]
MARKS = {"clip.mp4": "#t="}


def parts(whole: str) -> list[Found]:
    mark = MARKS.get(whole, "!")
    return [found(f"{whole}{mark}{number}.0") for number in range(3)]


NEAR = [found(name) for name in ("a.zip (1).jpg", "a.zip.jpg", "a.zi!0.0", "A.zip!0.0", "clip.mp4#x", "clip.mp4$", "z")]
ALL = [*NEAR, *(part for whole in WHOLES for part in parts(whole))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_ledger(tmp_path) as ledger:
        ledger.record([scored(file) for file in ALL])
        assert ledger.finish() == 0
    return tmp_path


def gone(folder: Path) -> set[str]:
    return {path for (path,) in ask(folder, "SELECT path FROM pictures WHERE gone = 1")}


def without(*files: Found) -> list[Found]:
    return [file for file in ALL if file not in files]


def run(ledger: Ledger, there: list[Found], *broken: str) -> int:
    ledger.unchanged(there)
    ledger.record([failed(found(name, size=99), "broken archive") for name in broken])
    return ledger.finish()


@pytest.mark.parametrize("whole", WHOLES)
def test_what_lies_in_an_archive_or_video_that_could_not_be_opened_has_not_gone(folder: Path, whole: str) -> None:
    with open_ledger(folder) as ledger:
        assert run(ledger, without(*parts(whole)), whole) == 0
        assert (ledger.counts().scored, ledger.counts().failed, ledger.counts().gone) == (len(ALL), 1, 0)
    with open_ledger(folder) as ledger:  # nor in a run in which the row of the failed one still holds
        ledger.unchanged([found(whole, size=99)])
        assert run(ledger, without(*parts(whole))) == 0
    assert gone(folder) == set()


@pytest.mark.parametrize("whole", WHOLES)
def test_once_it_opens_again_only_its_own_row_goes_and_nothing_is_called_gone(folder: Path, whole: str) -> None:
    with open_ledger(folder) as ledger:
        run(ledger, without(*parts(whole)), whole)
    with open_ledger(folder) as ledger:
        assert run(ledger, without(parts(whole)[1])) == 1  # what is not in it any more
        assert ledger.counts().found == len(ALL) - 1
    assert gone(folder) == {printable(parts(whole)[1].name)}
    assert ask(folder, "SELECT count(*) FROM pictures WHERE status = 'failed'") == [(0,)]


@pytest.mark.parametrize("whole", WHOLES)
def test_of_one_that_breaks_midway_what_was_seen_is_seen_and_the_rest_stays(folder: Path, whole: str) -> None:
    with open_ledger(folder) as ledger:
        assert run(ledger, without(*parts(whole)[1:]), whole) == 0
        assert ledger.counts().scored == len(ALL)


@pytest.mark.parametrize("whole", WHOLES)
def test_an_archive_or_video_that_was_deleted_has_gone_with_all_that_was_in_it(folder: Path, whole: str) -> None:
    with open_ledger(folder) as ledger:
        assert run(ledger, without(*parts(whole))) == 3
    assert gone(folder) == {printable(part.name) for part in parts(whole)}


def test_a_name_that_only_begins_alike_is_not_spared(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        assert run(ledger, without(*NEAR), "a.zip", "clip.mp4") == len(NEAR)
    assert gone(folder) == {file.name for file in NEAR}


def test_what_had_gone_before_does_not_come_back_with_a_broken_archive(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        run(ledger, without(parts("a.zip")[0]))
    with open_ledger(folder) as ledger:
        assert run(ledger, without(*parts("a.zip")), "a.zip") == 0
    assert gone(folder) == {"a.zip!0.0"}
