from __future__ import annotations

import os
from pathlib import Path

import pytest

from bluebird.errors import DataError
from bluebird.pixels.walk import is_hidden, passes_hidden, walk_files


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_every_file_below_comes_once_and_in_order_of_names(tmp_path: Path) -> None:
    names = ["b/2.jpg", "b/1.jpg", "a.jpg", "b/c/3.jpg", "c.jpg"]
    _touch(*(tmp_path / name for name in names))
    found = [str(path.relative_to(tmp_path)) for path in walk_files(tmp_path)]
    assert found == ["a.jpg", "b/1.jpg", "b/2.jpg", "b/c/3.jpg", "c.jpg"]


def test_a_loop_of_links_ends_and_no_file_comes_twice(tmp_path: Path) -> None:
    _touch(tmp_path / "a" / "1.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert [path.name for path in walk_files(tmp_path)] == ["1.jpg"]


def test_what_cannot_be_opened_still_comes_by(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "itself").symlink_to("itself")
    assert [path.name for path in walk_files(tmp_path)] == ["broken", "itself", "pipe"]


def test_names_that_are_no_utf8_come_by(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\n .jpg")
    _touch(tmp_path / name)
    assert [path.name for path in walk_files(tmp_path)] == [name]


def test_a_folder_that_is_not_there_or_none_is_named(tmp_path: Path) -> None:
    _touch(tmp_path / "file")
    with pytest.raises(DataError, match="no such folder"):
        list(walk_files(tmp_path / "absent"))
    with pytest.raises(DataError, match="a file, where a folder"):
        list(walk_files(tmp_path / "file"))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match=r"cannot be listed \(Too many levels"):
        list(walk_files(tmp_path / "loop"))


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        (".git/a", True), ("a/.b/c.jpg", True), (".a", True), ("a/Thumbs.db", True), ("a/THUMBS.DB", True),
        ("a/Desktop.ini", True), ("__MACOSX/a.jpg", True), ("a/b.jpg", False), ("a./b.jpg", False),
    ],
)  # fmt: skip
def test_litter_of_systems_is_told_from_pictures_whatever_its_capitals(path: str, hidden: bool) -> None:
    assert is_hidden(Path("/root") / path, Path("/root")) is hidden
    assert passes_hidden(path) is hidden


@pytest.mark.parametrize("path", ["./a.jpg", "../a.jpg", "/a//b.jpg"])
def test_a_step_up_or_nowhere_is_not_hidden(path: str) -> None:
    assert not passes_hidden(path)
