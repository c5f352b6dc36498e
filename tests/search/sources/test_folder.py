from __future__ import annotations

import os
import pickle
import socket
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluebird.errors import DataError, UnreadablePictureError
from bluebird.search.found import Found
from bluebird.search.sources.folder import FolderSource
from tests.search.sources.refusal import reason


def _source(root: Path, *exclude: Path) -> FolderSource:
    return FolderSource(root, 1.0, exclude)


def _names(root: Path, *exclude: Path) -> list[str]:
    return [found.name for found in _source(root, *exclude)]


def _skipped(root: Path) -> dict[str, str]:
    return {found.name: found.skipped for found in _source(root) if found.skipped}


def _write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(os.fsencode(name))


def _walked(root: Path) -> list[str]:
    """What the operating system's walk finds that is no folder, without following links."""
    return [
        str(Path(folder, name).relative_to(root))
        for folder, folders, files in os.walk(root)
        for name in [*files, *(name for name in folders if Path(folder, name).is_symlink())]
    ]


_PART = st.text(st.sampled_from("ab.- !#0~é\U0001f426\udcff"), min_size=1, max_size=4).filter(
    lambda part: part not in (".", "..")
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(_PART, min_size=1, max_size=4).map("/".join), max_size=12))
def test_every_file_comes_once_in_code_point_order_of_its_whole_name(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    root = tmp_path_factory.mktemp("any")
    for name in names:
        try:
            _write(root, name)
        except OSError:  # a file and a folder of one name, or letters that this disk does not take
            continue
    assert _names(root) == sorted(_walked(root))
    assert _names(root) == _names(root)


def test_a_folder_stands_among_the_files_where_its_names_do(tmp_path: Path) -> None:
    _write(tmp_path, "a/z", "a-b", "a.jpg", "a0", "ab/c", "B")
    assert _names(tmp_path) == ["B", "a-b", "a.jpg", "a/z", "a0", "ab/c"]


def test_size_and_time_are_those_of_the_file(tmp_path: Path) -> None:
    _write(tmp_path, "a/12345.jpg")
    os.utime(tmp_path / "a/12345.jpg", ns=(1, 1_700_000_000_123_456_789))
    status = (tmp_path / "a/12345.jpg").stat()
    assert list(_source(tmp_path)) == [Found("a/12345.jpg", 11, status.st_mtime_ns)]


def test_a_file_is_read_by_its_name(tmp_path: Path) -> None:
    name = os.fsdecode(b"d/\xff\n x.jpg")
    try:
        _write(tmp_path, name)
    except OSError:
        pytest.skip("this disk takes UTF-8 only")
    source = pickle.loads(pickle.dumps(_source(tmp_path)))  # noqa: S301  # our own
    assert [found.name for found in source] == [name]
    assert source.read(name) == os.fsencode(name)


def test_hidden_files_come_too_and_say_so(tmp_path: Path) -> None:
    hidden = [".a.jpg", ".git/b/c.jpg", "d/Thumbs.db", "d/desktop.ini", "__MACOSX/._x.jpg", ".z.zip", ".DS_Store"]
    _write(tmp_path, *hidden, "d/e.jpg", "d/f..jpg")
    assert _skipped(tmp_path) == dict.fromkeys(hidden, "hidden file")
    assert set(_names(tmp_path)) == {*hidden, "d/e.jpg", "d/f..jpg"}


def test_a_folder_named_like_a_picture_or_an_archive_is_a_folder(tmp_path: Path) -> None:
    _write(tmp_path, "x.jpg/1.jpg", "y.zip/2.jpg", "z.mp4/3.jpg")
    assert _names(tmp_path) == ["x.jpg/1.jpg", "y.zip/2.jpg", "z.mp4/3.jpg"]
    assert _source(tmp_path).read("y.zip/2.jpg") == b"y.zip/2.jpg"


def test_what_is_no_regular_file_comes_and_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    (tmp_path / "broken.mp4").symlink_to("nowhere")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    (tmp_path / "empty.jpg").touch()
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
    reasons = {found.name: reason(_source(tmp_path), found.name) for found in _source(tmp_path)}
    assert "symbolic links" in reasons.pop("itself.jpg")
    assert reasons == {
        "broken.jpg": "no such file",
        "broken.mp4": "no such file",
        "empty.jpg": "the file is empty (0 bytes)",
        "pipe.jpg": "not a regular file",
        "pipe.zip": "not a regular file",
        "socket.jpg": "not a regular file",
    }


def test_a_link_to_a_file_is_the_file(tmp_path: Path) -> None:
    _write(tmp_path, "outside.jpg", "in/x")
    (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    found = {found.name: found.size for found in _source(tmp_path / "in")}
    assert found == {"link.jpg": 11, "x": 4}
    assert _source(tmp_path / "in").read("link.jpg") == b"outside.jpg"


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path: Path) -> None:
    _write(tmp_path, "other/deep/1.jpg", "root/0.jpg")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "other")
    assert _names(tmp_path / "root") == ["0.jpg", "link/deep/1.jpg"]
    assert _source(tmp_path / "root").read("link/deep/1.jpg") == b"other/deep/1.jpg"


def test_links_in_circles_end_and_no_file_comes_twice(tmp_path: Path) -> None:
    _write(tmp_path, "root/a/1.jpg", "other/2.jpg", "other/sub/3.jpg")
    (tmp_path / "root" / "a" / "up").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "b").symlink_to(tmp_path / "root" / "a")
    (tmp_path / "root" / "c").symlink_to(tmp_path / "other")
    (tmp_path / "root" / "d").symlink_to(tmp_path / "other" / "sub")
    (tmp_path / "root" / "above").symlink_to(tmp_path)
    (tmp_path / "other" / "round").symlink_to(tmp_path / "other")
    elsewhere = "a folder that is searched under another name"
    assert _names(tmp_path / "root") == sorted(_names(tmp_path / "root"))
    files = {name for name in _names(tmp_path / "root") if not name.endswith("/")}
    assert files == {"a/1.jpg", "above/other/2.jpg", "above/other/sub/3.jpg"}
    assert _skipped(tmp_path / "root") == dict.fromkeys(
        ["a/up/", "above/other/round/", "above/root/", "b/", "c/", "d/"], elsewhere
    )


def test_folders_that_all_link_to_each_other_end(tmp_path: Path) -> None:
    folders = [tmp_path / "outside" / str(number) for number in range(12)]
    _write(tmp_path, *(f"outside/{number}/x.jpg" for number in range(12)))
    for folder in folders:
        for other in folders:
            (folder / f"to{other.name}").symlink_to(other)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "in").symlink_to(folders[0])
    files = [name for name in _names(tmp_path / "root") if not name.endswith("/")]
    assert len(files) == 12


def test_hidden_folders_do_not_lead_away(tmp_path: Path) -> None:
    _write(tmp_path, "root/.wine/a", "other/1.jpg")
    (tmp_path / "root" / ".wine" / "z:").symlink_to(tmp_path / "other")
    (tmp_path / "root" / "visible").symlink_to(".wine")
    assert {found.name: found.skipped for found in _source(tmp_path / "root")} == {
        ".wine/a": "hidden file",
        ".wine/z:/": "hidden file",
        "visible/a": "",  # a link that is not hidden shows what is
        "visible/z:/1.jpg": "",
    }


def test_folders_nested_deeper_than_functions_may_be_are_searched(tmp_path: Path) -> None:
    folders = list(accumulate(["d"] * 1100, Path.joinpath, initial=tmp_path))[1:]
    made = []
    try:
        for folder in folders:
            folder.mkdir()
            made.append(folder)
        _write(folders[-1], "x.jpg")
        assert _names(tmp_path) == [f"{'d/' * len(folders)}x.jpg"]
    except OSError as error:
        pytest.skip(f"no paths of that length here: {error.strerror}")
    finally:  # pytest could not tidy up
        (made[-1] / "x.jpg").unlink(missing_ok=True)
        for folder in reversed(made):
            folder.rmdir()


def test_folders_that_the_search_writes_to_are_passed_over(tmp_path: Path) -> None:
    _write(tmp_path, "1.jpg", "finds/2.jpg", "finds/old/3.jpg", "finds2/4.jpg", "a/finds/5.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "finds" / "old")
    assert _names(tmp_path, tmp_path / "finds") == ["1.jpg", "a/finds/5.jpg", "finds2/4.jpg"]
    (tmp_path / "root").symlink_to(tmp_path)  # the root may be named through a link
    assert "finds/2.jpg" not in _names(tmp_path / "root", tmp_path / "finds")
    assert "1.jpg" in _names(tmp_path, tmp_path)  # asked for by name


def test_what_may_not_be_listed_or_read_is_told(unprivileged: Path) -> None:
    _write(unprivileged, "a/1.jpg", "b.jpg", "c.jpg")
    (unprivileged / "a").chmod(0)
    (unprivileged / "b.jpg").chmod(0)
    assert _names(unprivileged) == ["a/", "b.jpg", "c.jpg"]
    assert _skipped(unprivileged) == {"a/": "a folder that cannot be listed: Permission denied"}
    with pytest.raises(UnreadablePictureError, match="Permission denied"):
        _source(unprivileged).read("b.jpg")
    (unprivileged / "a").chmod(0o700)


def test_a_folder_that_goes_while_it_is_searched_is_told(tmp_path: Path) -> None:
    _write(tmp_path, "a/1.jpg", "b/2.jpg")
    found = iter(_source(tmp_path))
    assert next(found).name == "a/1.jpg"
    (tmp_path / "b").rename(tmp_path / "c")
    assert list(found) == [Found("b/", 0, 0, "a folder that cannot be listed: No such file or directory")]


def test_a_root_that_has_gone_is_no_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list(_source(tmp_path / "gone"))
    _write(tmp_path, "file")
    with pytest.raises(DataError, match="a file, where a folder"):
        list(_source(tmp_path / "file"))


def test_an_empty_folder_has_no_files(tmp_path: Path) -> None:
    assert _names(tmp_path) == []


def test_a_listing_takes_one_folder_at_a_time(tmp_path: Path) -> None:
    _write(tmp_path, "a/1.jpg", "b/2.jpg")
    found = iter(_source(tmp_path))
    assert next(found).name == "a/1.jpg"
    _write(tmp_path, "b/3.jpg")  # not listed yet
    assert [one.name for one in found] == ["b/2.jpg", "b/3.jpg"]
