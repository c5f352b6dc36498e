from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from bluebird.errors import OutputError, UsageError
from bluebird.search.found import Found
from bluebird.search.ledger import Ledger
from bluebird.search.row import Counts, Row
from tests.search.ledgers import ask, failed, found, open_ledger, scored, skipped

PLAIN, ODD = found("a/plain.jpg"), found("a/caf\udce9 \\udce9.jpg")
HIDDEN = found("a/.hidden", skipped="hidden file")
BROKEN = found("a/broken.jpg", size=3)
ALL = [PLAIN, ODD, HIDDEN, BROKEN]
ROWS = [scored(PLAIN), scored(ODD), skipped(HIDDEN), failed(BROKEN)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the ledger of one finished run."""
    with open_ledger(tmp_path) as ledger:
        ledger.record(ROWS)
        assert ledger.finish() == 0
    return tmp_path


def refused(ledger: Ledger, error: type[Exception] = OutputError) -> str:
    """The one line that says why the ledger cannot be opened."""
    with pytest.raises(error) as refusal, ledger:
        pass
    line = str(refusal.value)
    assert "\n" not in line
    assert str(ledger.path) in line
    return line


def test_found_is_scored_and_failed_and_skipped(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        assert ledger.counts().found == 0  # in this run
        assert ledger.unchanged(ALL) == {file.name for file in ALL}
        assert ledger.counts() == Counts(scored=2, failed=1, skipped=1, gone=0)
        assert ledger.counts().found == len(ALL)
    assert ask(folder, "SELECT count(*) FROM pictures") == [(len(ALL),)]


@pytest.mark.parametrize(
    "changed",
    [
        found("a/plain.jpg", size=11),
        found("a/plain.jpg", mtime_ns=2),
        found("a/plain.jpg", mtime_ns=0),  # a clock that went backwards
        found("a/plain.jpg", skipped="not a regular file"),
        found("a/.hidden", skipped="not a regular file"),
        found("a/.hidden"),
        found("a/broken.jpg", size=4),
        found("a/broken.jpg", size=3, skipped="hidden file"),
        found("a/plain.JPG"),
    ],
    ids=str,
)
def test_what_has_changed_is_not_unchanged(folder: Path, changed: Found) -> None:
    with open_ledger(folder) as ledger:
        assert ledger.unchanged([changed]) == set()
        assert ledger.unchanged(ALL) == {file.name for file in ALL}


def test_of_another_model_all_is_scored_again_but_what_could_not_be_read_is_not_tried_again(folder: Path) -> None:
    with open_ledger(folder, model="second") as ledger:
        assert ledger.unchanged(ALL) == {HIDDEN.name, BROKEN.name}
        ledger.record([scored(PLAIN), scored(ODD)])
        assert ledger.unchanged(ALL) == {file.name for file in ALL}
    with open_ledger(folder) as ledger:
        assert ledger.unchanged(ALL) == {HIDDEN.name, BROKEN.name}


def test_only_what_failed_is_tried_again_when_asked(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        assert ledger.unchanged(ALL, retry_failed=True) == {PLAIN.name, ODD.name, HIDDEN.name}


def test_a_path_that_is_recorded_twice_is_one_row_the_last(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        ledger.record([scored(PLAIN, (0.1, 0.1, 0.8)), failed(PLAIN, "first"), failed(PLAIN, "last")])
        ledger.record([scored(BROKEN)])
        assert ledger.counts() == Counts(scored=1, failed=1)
    assert ask(folder, "SELECT path, status, reason, probs FROM pictures WHERE path = 'a/plain.jpg'") == [
        ("a/plain.jpg", "failed", "last", None)
    ]
    assert ask(folder, "SELECT count(*) FROM pictures") == [(len(ALL),)]


def test_what_has_gone_is_counted_once_and_again_when_it_came_back_in_between(folder: Path) -> None:
    seen = [(ALL[:1], 3), (ALL[:1], 0), (ALL, 0), (ALL[2:], 2), ([], 2), (ALL, 0)]
    for files, going in seen:
        with open_ledger(folder) as ledger:
            ledger.unchanged(files)
            assert ledger.finish() == going
            assert ledger.counts().gone == len(ALL) - len(files)
            assert ledger.counts().found == len(files)


def test_what_came_back_with_another_content_is_there_again(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        assert ledger.finish() == len(ALL)
    with open_ledger(folder) as ledger:
        ledger.record([scored(found("a/plain.jpg", size=99))])
        assert (ledger.finish(), ledger.counts()) == (0, Counts(scored=1, gone=3))


def test_a_run_that_was_broken_off_lets_nothing_go(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        ledger.unchanged([PLAIN])
    with open_ledger(folder) as ledger:
        ledger.unchanged(ALL)
        assert ledger.finish() == 0


def test_the_same_content_is_known_by_size_digest_and_model_alone(tmp_path: Path) -> None:
    row = scored(found("old.jpg", size=7), digest=b"d" * 16, width=40, height=30, orientation=6, taken="then", dhash=-5)
    moved = found("new/name.jpg", size=7, mtime_ns=9)
    with open_ledger(tmp_path) as ledger:
        ledger.aim(["blue jay"])
        ledger.record([row, failed(found("broken.jpg", size=8))])
        known = ledger.same_content(moved, b"d" * 16)
        assert known is not None
        assert known.score == np.float32(0.3)  # of what the ledger aims at now
        expected = {name: getattr(row, name) for name in Row.__slots__}
        expected |= {"name": moved.name, "mtime_ns": 9, "score": known.score}
        assert known == Row(**expected)
        assert ledger.same_content(found("x", size=8), b"d" * 16) is None
        assert ledger.same_content(moved, b"e" * 16) is None
        assert ledger.same_content(moved, b"") is None
        ledger.record([known])
    with open_ledger(tmp_path, model="second") as ledger:
        assert ledger.same_content(moved, b"d" * 16) is None


def test_names_that_are_not_utf8_come_back_as_they_were(folder: Path) -> None:
    names = ["b/m\udcf6we.jpg", "b/m\\udcf6we.jpg", "b/möwe.jpg"]
    with open_ledger(folder) as ledger:
        ledger.record([failed(name) for name in names])
        assert ledger.unchanged([found(name) for name in names]) == set(names)
        assert {name for name, _, _ in ledger.unscored()} == {HIDDEN.name, BROKEN.name, *names}


def test_files_without_a_score_are_listed_by_path_with_the_reason_unless_they_have_gone(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        assert list(ledger.unscored()) == [
            ("a/.hidden", "hidden file", "skipped"),
            ("a/broken.jpg", "broken", "failed"),
        ]
        ledger.unchanged([BROKEN])
        ledger.finish()
        assert list(ledger.unscored()) == [("a/broken.jpg", "broken", "failed")]


def test_the_search_of_another_root_is_refused_in_one_line_and_left_as_it_is(folder: Path) -> None:
    before = ask(folder, "SELECT * FROM search")
    assert "'/photos', not of '/other'" in refused(open_ledger(folder, root="/other"), UsageError)
    assert ask(folder, "SELECT * FROM search") == before
    with open_ledger(folder) as ledger:
        assert ledger.unchanged(ALL) == {file.name for file in ALL}


def test_a_root_that_is_not_utf8_is_known_again(tmp_path: Path) -> None:
    for _ in range(2):
        with open_ledger(tmp_path, root="/ph\udcf6tos") as ledger:
            assert ledger.root == "/ph\udcf6tos"


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE letters (id INTEGER PRIMARY KEY, text TEXT)")


def _later(path: Path) -> None:
    with open_ledger(path.parent):
        pass
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


def _cut_short(path: Path) -> None:
    with open_ledger(path.parent) as ledger:
        ledger.record([scored(f"{number}.jpg") for number in range(500)])
    path.write_bytes(path.read_bytes()[:9000])


@pytest.mark.parametrize(
    ("put", "says"),
    [
        (_foreign, "not a ledger of this version of Bluebird; choose another --out"),
        (_later, "not a ledger of this version of Bluebird; choose another --out"),
        (lambda path: path.write_text("a list of finds\n" * 100), "file is not a database"),
        (_cut_short, "malformed"),
        (Path.mkdir, "unable to open database file"),
    ],
    ids=["foreign", "later", "text", "cut short", "folder"],
)
def test_what_is_no_ledger_is_refused_in_one_line_and_left_as_it_is(tmp_path: Path, put, says: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "finds.sqlite"
    put(path)
    before = path.read_bytes() if path.is_file() else b""
    for _ in range(2):  # the lock is free again
        assert says in refused(open_ledger(tmp_path))
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_where_no_folder_can_be_it_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for out in ("file", "file/below"):
        assert "cannot be used" in refused(open_ledger(tmp_path / out))


def test_while_a_search_runs_a_second_is_refused_and_others_may_read(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        with pytest.raises(UsageError, match="is searched into by process"), open_ledger(folder):
            pass
        with ledger.writing():
            ledger.db.execute("DELETE FROM pictures")
            assert ask(folder, "SELECT count(*) FROM pictures") == [(len(ALL),)]  # as a write-ahead log allows
            assert ask(folder, "PRAGMA journal_mode") == [("wal",)]
    with open_ledger(folder):
        pass


def test_a_batch_that_breaks_off_is_not_written_and_those_before_stay(folder: Path) -> None:
    with open_ledger(folder) as ledger:
        ledger.record([scored("b/1.jpg")])
        wrong = Row("b/3.jpg", 1, 1, "lost")  # type: ignore[arg-type]
        with pytest.raises(OutputError, match="CHECK constraint failed"):
            ledger.record([scored("b/2.jpg"), wrong])
        ledger.record([scored("b/4.jpg")])
    assert ask(folder, "SELECT path FROM pictures WHERE path > 'b' ORDER BY path") == [("b/1.jpg",), ("b/4.jpg",)]


def test_what_lies_in_a_folder_that_could_not_be_listed_has_not_gone(tmp_path: Path) -> None:
    inside, beside = ["a/x.jpg", "a/b/y.jpg"], ["a.jpg", "a-b/z.jpg", "a0.jpg"]
    closed = found("a/", size=0, mtime_ns=0, skipped="a folder that cannot be listed: Permission denied")
    with open_ledger(tmp_path) as ledger:
        ledger.record([scored(name) for name in (*inside, *beside)])
        ledger.finish()
    with open_ledger(tmp_path) as ledger:
        ledger.record([skipped(closed), scored("a.jpg")])
        assert ledger.finish(["a/"]) == 2
        assert ledger.counts() == Counts(scored=3, skipped=1, gone=2)
    with open_ledger(tmp_path) as ledger:  # it is open again, and one of its files is not there any more
        ledger.record([scored("a.jpg"), scored("a/x.jpg")])
        assert ledger.finish() == 1
        assert ledger.counts() == Counts(scored=2, gone=3)
