from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bluebird.errors import DataError, UnreadablePictureError, UsageError
from bluebird.search.sources import Source, open_source

MakeArchive = Callable[[Path, dict[str, bytes]], Path]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_archive: MakeArchive) -> Path:
    """A working directory with one of everything."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    (tmp_path / "photos" / "a.jpg").write_bytes(b"a")
    (tmp_path / "photos" / "sub" / "b.jpg").write_bytes(b"b")
    (tmp_path / "list.TXT").write_text("photos/a.jpg\nphotos/a.jpg\n")
    (tmp_path / "table.csv").write_text("label,path\nx,photos/sub/b.jpg\n")
    (tmp_path / "odd[1].jpg").write_bytes(b"odd")
    make_archive(tmp_path / "c.tar.gz", {"x.jpg": b"x"})
    (tmp_path / "c.tar.gz").rename(tmp_path / "backup.bin")
    make_archive(tmp_path / "c.zip", {"x.jpg": b"x"})
    return tmp_path


def _contents(source: Source) -> dict[str, bytes]:
    names = [found.name for found in source]
    assert len(names) == len(set(names))
    return {name: source.read(name) for name in names}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("photos", {"a.jpg": b"a", "sub/b.jpg": b"b"}),
        ("photos/", {"a.jpg": b"a", "sub/b.jpg": b"b"}),
        ("photos/**/*.jpg", {"a.jpg": b"a", "sub/b.jpg": b"b"}),
        ("pho*/*.jpg", {"photos/a.jpg": b"a"}),
        ("list.TXT", {"photos/a.jpg": b"a"}),
        ("table.csv", {"photos/sub/b.jpg": b"b"}),
        ("c.zip", {"c.zip!x.jpg": b"x"}),
        ("backup.bin", {"backup.bin!x.jpg": b"x"}),
        ("photos/a.jpg", {"a.jpg": b"a"}),
        ("odd[1].jpg", {"odd[1].jpg": b"odd"}),
    ],
)
def test_each_kind_of_place_is_opened_from_anywhere(
    place: Path, monkeypatch: pytest.MonkeyPatch, where: str, expected: dict[str, bytes]
) -> None:
    source = open_source(where)
    monkeypatch.chdir("/")  # a worker may stand elsewhere
    assert _contents(source) == expected
    assert _contents(pickle.loads(pickle.dumps(source))) == expected  # noqa: S301  # our own
    assert _contents(open_source(str(place / where))) == expected


def test_standard_input_is_read_once_and_listed_as_often_as_wanted(place: Path) -> None:
    code = (
        "import pickle; from bluebird.search.sources import open_source\n"
        "source = open_source('-'); copy = pickle.loads(pickle.dumps(source))\n"
        "assert list(source) == list(source) == list(copy)\n"
        "print([(found.name, copy.read(found.name)) for found in source])"
    )
    data = b"photos/sub/b.jpg\0photos/a.jpg\0photos/a.jpg\0"
    done = subprocess.run([sys.executable, "-c", code], cwd=place, input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == str([("photos/sub/b.jpg", b"b"), ("photos/a.jpg", b"a")])


def test_the_folders_that_the_search_writes_to_are_left_out(place: Path) -> None:
    (place / "photos" / "finds").mkdir()
    (place / "photos" / "finds" / "1.jpg").write_bytes(b"1")
    for where in ("photos", "photos/**"):
        names = [found.name for found in open_source(where, exclude=[Path("photos/finds")])]
        assert names == ["a.jpg", "sub/b.jpg"]


@pytest.mark.parametrize("where", ["photos", "photos/**", "pho*/**/**/*", "photos/*/**", "again.txt", "again.csv", "-"])
def test_a_name_comes_once_whatever_repeats_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, make_archive: MakeArchive, where: str
) -> None:
    for link, target in {"one": "sub", "two": "sub", "sub/up": "..", "same.jpg": "a.jpg", "d.zip": "c.zip"}.items():
        (place / "photos" / link).symlink_to(target)
    (place / "c.zip").rename(place / "photos" / "c.zip")
    (place / "photos" / "c.zip!y.jpg").write_bytes(b"named like a member")
    names = [
        "a.jpg",
        "./a.jpg",
        "one/b.jpg",
        "c.zip",
        "c.zip!x.jpg",
        "c.zip!y.jpg",
        "c.zip",
        "sub",
        "gone.jpg",
        "d.zip",
    ]
    text = "\n".join(2 * [f"photos/{name}" for name in names])
    (place / "again.txt").write_text(text)
    (place / "again.csv").write_text(f"path\n{text}")
    with (place / "again.txt").open() as listed:
        monkeypatch.setattr(sys, "stdin", listed)
        source = open_source(where)
    found = [one.name for one in source]
    assert len(found) == len(set(found)) >= 7
    assert [one.name for one in source] == found


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("gone", "no such folder, file or pattern"),
        ("photos/a.jpg/b", "no such folder, file or pattern"),
        ("", "an empty path"),
        ("gone/*.jpg", "no such folder"),
        ("photos/*.tif", "no file matches the pattern"),
        ("n" * 5000, "cannot be opened"),
        ("nul\0", "cannot be opened"),
        ("pipe", "neither a folder nor a regular file"),
    ],
)
def test_a_place_that_is_of_no_use_is_told_in_one_line(place: Path, where: str, message: str) -> None:
    os.mkfifo(place / "pipe")
    with pytest.raises(DataError, match=message) as caught:
        open_source(where)
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)


def test_a_broken_archive_is_one_file_with_its_reason(place: Path) -> None:
    (place / "c.zip").write_bytes((place / "c.zip").read_bytes()[:-5])
    source = open_source("c.zip")
    assert [found.name for found in source] == ["c.zip"]
    with pytest.raises(UnreadablePictureError, match="broken archive: "):
        source.read("c.zip")


@pytest.mark.parametrize("every_seconds", [0.0, -1.0, float("nan"), 0.0001])
def test_frames_are_at_least_a_millisecond_apart(place: Path, every_seconds: float) -> None:
    with pytest.raises(UsageError, match=r"at least 0\.001"):
        open_source("photos", every_seconds=every_seconds)
