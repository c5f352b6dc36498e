from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bluebird.errors import UnreadablePictureError
from bluebird.search.sources.folder import FolderSource

MakeArchive = Callable[[Path, dict[str, bytes]], Path]


def test_archives_in_a_folder_give_their_members_in_their_place(
    tmp_path: Path, make_archive: MakeArchive, pictures: dict[str, bytes]
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.jpg").write_bytes(b"b")
    (tmp_path / "a.jpg").write_bytes(b"a")
    make_archive(tmp_path / "sub" / "a.zip", pictures)
    make_archive(tmp_path / "sub" / "c.TAR.gz".lower(), pictures)
    source = pickle.loads(pickle.dumps(FolderSource(tmp_path, 1.0)))  # noqa: S301  # our own
    names = [found.name for found in source]
    assert names == [
        "a.jpg",
        *(f"sub/a.zip!{name}" for name in pictures),
        "sub/b.jpg",
        *(f"sub/c.tar.gz!{name}" for name in pictures),
    ]
    for name in names[1:]:
        assert source.read(name) == (pictures[name.rpartition("!")[2]] if "!" in name else b"b")


def test_a_mark_in_an_ordinary_name_misleads_nobody(tmp_path: Path, make_archive: MakeArchive) -> None:
    names = ["wow!.jpg", "a#t=1.jpg", "x.zip!y/z.jpg", "really!/b.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    make_archive(tmp_path / "really!" / "c!d.zip", {"e!f.jpg": b"inside"})
    source = FolderSource(tmp_path, 1.0)
    assert {found.name for found in source} == {*names, "really!/c!d.zip!e!f.jpg"}
    for name in names:
        assert source.read(name) == name.encode()
    assert source.read("really!/c!d.zip!e!f.jpg") == b"inside"


@pytest.mark.parametrize("beside", ["a.zip!x.jpg", "a.zip!", "a.zip!x.jpg/y.jpg"])
def test_an_archive_beside_a_file_named_like_its_member_stays_closed(
    tmp_path: Path, make_archive: MakeArchive, beside: str
) -> None:
    make_archive(tmp_path / "a.zip", {"x.jpg": b"inside", "x.jpg/y.jpg": b"inside"})
    (tmp_path / beside).parent.mkdir(exist_ok=True)
    (tmp_path / beside).write_bytes(b"beside")
    source = FolderSource(tmp_path, 1.0)
    assert {found.name: found.skipped[:10] for found in source} == {"a.zip": "not opened", beside: ""}
    assert source.read(beside) == b"beside"


def test_what_was_in_an_archive_that_has_gone_is_no_such_file(tmp_path: Path, make_archive: MakeArchive) -> None:
    make_archive(tmp_path / "a.zip", {"x.jpg": b"inside"})
    source = FolderSource(tmp_path, 1.0)
    assert source.read("a.zip!x.jpg") == b"inside"
    (tmp_path / "a.zip").unlink()
    with pytest.raises(UnreadablePictureError, match="no such file"):
        source.read("a.zip!x.jpg")


def test_without_pyav_a_film_says_what_to_install_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "b.mp4", "c.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    monkeypatch.setitem(sys.modules, "av", None)  # how Python itself marks what cannot be imported
    source = FolderSource(tmp_path, 1.0)
    assert [found.name for found in source] == ["a.jpg", "b.mp4", "c.jpg"]
    with pytest.raises(UnreadablePictureError, match=r"videos need PyAV; pip install 'bluebird\[video\]'"):
        source.read("b.mp4")
