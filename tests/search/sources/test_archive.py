from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import pytest

from bluebird.errors import UnreadablePictureError
from bluebird.search.found import Found
from bluebird.search.sources.archive import ArchiveSource, is_archive
from tests.search.sources.refusal import reason

MakeArchive = Callable[[Path, Mapping[str, bytes] | Iterable[tuple[str, bytes]]], Path]
ENDINGS = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]


def _source(path: Path) -> ArchiveSource:
    return ArchiveSource(path, path.name)


@pytest.mark.parametrize("ending", ENDINGS)
def test_members_come_in_order_and_are_read_in_any(
    tmp_path: Path, make_archive: MakeArchive, pictures: dict[str, bytes], ending: str
) -> None:
    path = make_archive(tmp_path / f"a{ending}", pictures)
    source = pickle.loads(pickle.dumps(_source(path)))  # noqa: S301  # our own
    found = list(source)
    time = path.stat().st_mtime_ns
    assert found == [Found(f"a{ending}!{name}", len(data), time) for name, data in pictures.items()]
    for one in [*found, *reversed(found)]:
        assert source.read(one.name) == pictures[one.name.partition("!")[2]]
    assert list(source) == found
    assert list(tmp_path.iterdir()) == [path]  # nothing is unpacked


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_names_that_point_elsewhere_are_only_names(tmp_path: Path, make_archive: MakeArchive, ending: str) -> None:
    names = ["../../etc/passwd", "/etc/passwd", "a//b.png", "./c.png", "C:\\x.png", "d\n.png"]
    (tmp_path / "in").mkdir()
    path = make_archive(tmp_path / "in" / f"a{ending}", {name: name.encode() for name in names})
    source = _source(path)
    assert [found.name for found in source] == [f"{path.name}!{name}" for name in names]
    assert [source.read(f"{path.name}!{name}") for name in names] == [name.encode() for name in names]
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "in", path]


@pytest.mark.parametrize("ending", ENDINGS)
def test_members_of_one_name_are_numbered(tmp_path: Path, make_archive: MakeArchive, ending: str) -> None:
    names = ["x.jpg", "x.jpg", "x.jpg (2)", "x.jpg", "x.jpg (2)"]
    members = [(name, str(number).encode()) for number, name in enumerate(names)]
    source = _source(make_archive(tmp_path / f"a{ending}", members))
    found = [one.name.partition("!")[2] for one in source]
    assert found == ["x.jpg", "x.jpg (2)", "x.jpg (2) (2)", "x.jpg (3)", "x.jpg (2) (3)"]
    assert [source.read(f"a{ending}!{name}") for name in found] == [b"0", b"1", b"2", b"3", b"4"]


def test_hidden_members_say_so(tmp_path: Path, make_archive: MakeArchive) -> None:
    names = ["__MACOSX/._x.jpg", ".thumbs/y.jpg", "a/Thumbs.db", "./z.jpg", "../w.jpg"]
    source = _source(make_archive(tmp_path / "a.zip", dict.fromkeys(names, b"data")))
    assert [found.skipped for found in source] == ["hidden file"] * 3 + [""] * 2


@pytest.mark.parametrize("inner", ["b.zip", "b.TAR", "b.tar.gz", "b.mp4"])
def test_only_one_level_is_opened(tmp_path: Path, make_archive: MakeArchive, inner: str) -> None:
    source = _source(make_archive(tmp_path / "a.zip", {inner: b"data"}))
    assert [found.name for found in source] == [f"a.zip!{inner}"]
    assert "only one level is opened" in reason(source, f"a.zip!{inner}")


def test_an_empty_member_is_an_empty_file(tmp_path: Path, make_archive: MakeArchive) -> None:
    source = _source(make_archive(tmp_path / "a.zip", {"x.jpg": b""}))
    assert reason(source, "a.zip!x.jpg") == "the file is empty (0 bytes)"


def test_a_name_that_is_not_in_the_archive_is_refused(tmp_path: Path, make_archive: MakeArchive) -> None:
    for ending in (".zip", ".tar"):
        source = _source(make_archive(tmp_path / f"a{ending}", {"x.jpg": b"data"}))
        assert reason(source, f"a{ending}!y.jpg") == "no such file in the archive"
        assert source.read(f"a{ending}!x.jpg") == b"data"


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_archive_without_files_is_accounted_for(tmp_path: Path, make_archive: MakeArchive, ending: str) -> None:
    path = make_archive(tmp_path / f"a{ending}", {})
    assert [(found.name, found.skipped) for found in _source(path)] == [(path.name, "an archive without files")]


@pytest.mark.parametrize("data", [b"", b"garbage" * 100, b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0\0"])
def test_what_is_no_archive_inside_is_one_broken_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    source = _source(tmp_path / "a.zip")
    assert [(found.name, found.size, found.skipped) for found in source] == [("a.zip", len(data), "")]
    assert reason(source, "a.zip").startswith("broken archive: ")


@pytest.mark.parametrize("ending", ENDINGS)
def test_wherever_an_archive_is_cut_no_loss_is_silent(
    tmp_path: Path, make_archive: MakeArchive, pictures: dict[str, bytes], ending: str
) -> None:
    whole = make_archive(tmp_path / f"whole{ending}", pictures).read_bytes()
    cuts = sorted({*range(0, len(whole), max(64, len(whole) // 50)), *range(0, min(len(whole), 6000), 512)})
    for cut in cuts:
        path = tmp_path / f"cut{cut}{ending}"
        path.write_bytes(whole[:cut])
        names = [found.name for found in _source(path)]
        read = {name for name in pictures if _reads(_source(path), f"{path.name}!{name}", pictures[name])}
        if path.name in names:  # one row says that something is missing
            assert names.index(path.name) == len(names) - 1
            assert reason(_source(path), path.name).startswith("broken archive: ")
        else:
            assert read == set(pictures)


def _reads(source: ArchiveSource, name: str, expected: bytes) -> bool:
    try:
        data = source.read(name)
    except UnreadablePictureError:
        return False
    assert data == expected
    return True


@pytest.mark.parametrize("ending", ENDINGS)
def test_flipped_bits_break_no_more_than_what_they_hit(
    tmp_path: Path, make_archive: MakeArchive, pictures: dict[str, bytes], ending: str
) -> None:
    whole = make_archive(tmp_path / f"whole{ending}", pictures).read_bytes()
    rng = random.Random(0)
    for number in range(60):
        path = tmp_path / f"{number}{ending}"
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        source = _source(path)
        names = [found.name for found in source]
        assert names
        assert len(names) == len(set(names))
        for name in names:
            with suppress(UnreadablePictureError):  # and nothing else
                source.read(name)


def test_an_archive_that_was_replaced_is_opened_anew(tmp_path: Path, make_archive: MakeArchive) -> None:
    path = make_archive(tmp_path / "a.zip", {"x.jpg": b"old", "y.jpg": b"y"})
    source = _source(path)
    before = {found.name: found.mtime_ns for found in source}
    assert source.read("a.zip!x.jpg") == b"old"
    make_archive(path, {"x.jpg": b"newer", "y.jpg": b"y"})
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10))
    assert source.read("a.zip!x.jpg") == b"newer"
    assert all(found.mtime_ns != before[found.name] for found in source)  # also of what stayed the same
    path.unlink()
    assert reason(source, "a.zip!x.jpg") == "No such file or directory"


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_threads_and_forked_processes_do_not_disturb_each_other(
    tmp_path: Path, make_archive: MakeArchive, ending: str
) -> None:
    rng = random.Random(0)
    members = {f"{number}.bin": rng.randbytes(5000) for number in range(40)}
    source = _source(make_archive(tmp_path / f"a{ending}", members))
    names = [found.name for found in source]
    expected = list(members.values())
    assert source.read(names[20]) == expected[20]  # this process has it open before the others start
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(source.read, names)) == expected
    with ProcessPoolExecutor(2, get_context("fork")) as processes:
        assert list(processes.map(source.read, names)) == expected


@pytest.mark.parametrize(
    ("name", "members", "expected"),
    [("a.zip", {"x": b"1"}, True), ("a.tar.gz", {"x": b"1"}, True), ("b.tar.xz", {}, True)],
)
def test_an_archive_is_known_by_its_content(
    tmp_path: Path, make_archive: MakeArchive, name: str, members: dict[str, bytes], expected: bool
) -> None:
    path = make_archive(tmp_path / name, members)
    assert is_archive(path) is expected
    assert is_archive(path.rename(tmp_path / "renamed.jpg")) is bool(members)


def test_a_picture_is_no_archive(tmp_path: Path, pictures: dict[str, bytes]) -> None:
    for data in (*pictures.values(), b"", bytes(20_000), b"text"):
        (tmp_path / "x.png").write_bytes(data)
        assert not is_archive(tmp_path / "x.png")


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path, make_archive: MakeArchive) -> None:
    inner = make_archive(tmp_path / "inner.zip", {"y.jpg": b"y"}).read_bytes()
    path = make_archive(tmp_path / "a.tar", {"x.jpg": b"x", "inner.bin": inner})
    assert [found.name for found in _source(path)] == ["a.tar!x.jpg", "a.tar!inner.bin"]
