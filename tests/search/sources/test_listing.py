from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bluebird.errors import DataError, UnreadablePictureError
from bluebird.search.found import Found
from bluebird.search.sources.listing import ListSource, read_csv, read_stdin, read_text

MakeArchive = Callable[[Path, dict[str, bytes]], Path]


def _source(base: Path, *names: str) -> ListSource:
    return ListSource(base, names, 1.0)


@pytest.mark.parametrize(
    "data",
    [
        b"a.jpg\nsub/b c.jpg\n# not a remark.jpg\n",
        b"a.jpg\r\nsub/b c.jpg\r\n# not a remark.jpg",
        b"\xef\xbb\xbfa.jpg\n\n   \nsub/b c.jpg\n\n# not a remark.jpg\n\n",
        "a.jpg\r\nsub/b c.jpg\r\n# not a remark.jpg\r\n".encode("utf-16"),
    ],
    ids=["unix", "windows", "byte order mark and blank lines", "utf-16"],
)
def test_every_kind_of_text_file_lists_the_same(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "list.txt").write_bytes(data)
    assert read_text(tmp_path / "list.txt") == ["a.jpg", "sub/b c.jpg", "# not a remark.jpg"]


def test_names_of_any_bytes_can_be_listed(tmp_path: Path) -> None:
    names = [b"\xff\xfd.jpg", "é\u2028\x0c.jpg".encode(), b" blank at both ends .jpg "]
    (tmp_path / "list.txt").write_bytes(b"\n".join(names))
    assert [os.fsencode(name) for name in read_text(tmp_path / "list.txt")] == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,label\na.jpg,x\nb.jpg,y\n", ["a.jpg", "b.jpg"]),
        ("label,Path\nx,a.jpg\ny,b.jpg\n", ["a.jpg", "b.jpg"]),
        ("\ufefffile,path\nx,a.jpg\n", ["a.jpg"]),
        ("label, File \nx,a.jpg\n", ["a.jpg"]),
        ("a.jpg,x\nb.jpg,y\n", ["a.jpg", "b.jpg"]),
        ('path\n"a,""b"".jpg"\n\n"c\nd.jpg"\n', ['a,"b".jpg', "c\nd.jpg"]),
        ("label,path\nx\ny,b.jpg\n", ["b.jpg"]),
        ("path\r\na.jpg\r\n", ["a.jpg"]),
        ("", []),
    ],
)
def test_a_table_lists_its_column_of_paths(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "list.csv").write_bytes(text.encode())
    assert read_csv(tmp_path / "list.csv") == expected


def test_a_list_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b'path\n"' + b"x" * 200_000)
    with pytest.raises(DataError, match="line 2: no CSV"):
        read_csv(tmp_path / "list.csv")
    (tmp_path / "list.txt").write_bytes(b"\xff\xfea\x00b")
    with pytest.raises(DataError, match="begins like UTF-16"):
        read_text(tmp_path / "list.txt")
    with pytest.raises(DataError, match="the list cannot be read"):
        read_text(tmp_path)


def test_each_listed_file_comes_once_in_the_order_of_the_list(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"bb")
    (tmp_path / "a.jpg").write_bytes(b"a")
    source = pickle.loads(pickle.dumps(_source(tmp_path, "b.jpg", "a.jpg", "b.jpg")))  # noqa: S301  # our own
    times = {name: (tmp_path / name).stat().st_mtime_ns for name in ("a.jpg", "b.jpg")}
    assert list(source) == [Found("b.jpg", 2, times["b.jpg"]), Found("a.jpg", 1, times["a.jpg"])]
    assert source.read("b.jpg") == b"bb"


def test_absolute_paths_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    source = _source(tmp_path / "elsewhere", str(tmp_path / "a.jpg"), "../a.jpg")
    (tmp_path / "elsewhere").mkdir()
    assert [found.name for found in source] == [str(tmp_path / "a.jpg"), "../a.jpg"]
    assert source.read(str(tmp_path / "a.jpg")) == source.read("../a.jpg") == b"a"


@pytest.mark.parametrize("name", ["gone.jpg", "gone/x.jpg", "n" * 5000, "gone.zip", "nul\0.jpg", "gone.zip!x.jpg"])
def test_what_is_missing_comes_and_cannot_be_read(tmp_path: Path, name: str) -> None:
    source = _source(tmp_path, name)
    assert list(source) == [Found(name, 0, 0)]
    with pytest.raises(UnreadablePictureError) as caught:
        source.read(name)
    assert caught.value.path == name


def test_a_listed_folder_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "sub.zip").mkdir()
    assert [found.skipped for found in _source(tmp_path, "sub.zip")] == ["a folder; list the files in it"]


def test_archives_and_what_lies_in_them_can_be_listed(tmp_path: Path, make_archive: MakeArchive) -> None:
    path = make_archive(tmp_path / "a.zip", {"x.jpg": b"x", "y.jpg": b"y"})
    source = _source(tmp_path, "a.zip!y.jpg", "a.zip")
    assert [found.name for found in source] == ["a.zip!y.jpg", "a.zip!x.jpg"]
    assert {found.mtime_ns for found in source} == {path.stat().st_mtime_ns}
    assert source.read("a.zip!y.jpg") == b"y"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a.jpg\nb c.jpg\n", ["a.jpg", "b c.jpg"]),
        (b"a.jpg\0b\nc.jpg\0", ["a.jpg", "b\nc.jpg"]),
        (b"a.jpg\r\n\r\nb.jpg\r\n", ["a.jpg", "b.jpg"]),
        ("é.jpg\r\n".encode("utf-16"), ["é.jpg"]),
        (b"\xff.jpg\n", ["\udcff.jpg"]),
        (b"", []),
    ],
)
def test_a_list_comes_from_a_pipe(monkeypatch: pytest.MonkeyPatch, data: bytes, expected: list[str]) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, data)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        assert read_stdin() == expected
