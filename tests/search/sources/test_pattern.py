from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest

from bluebird.search.sources.folder import FolderSource
from bluebird.search.sources.pattern import Pattern, split_pattern

FILES = [
    "a.jpg", "b.png", "[x].jpg", "2019/a.jpg", "2019/07/a.jpg", "2019/07/b.JPG", "2020/07/c.jpg", "2020/c.jpg",
    ".h/a.jpg", "2019/.h.jpg", "2019/.h/a.jpg", "x.jpg/y.jpg", "2020/07/deep/er/d.jpg",
]  # fmt: skip


@pytest.mark.parametrize(
    "pattern",
    [
        "*", "*.jpg", "?.jpg", "[ab].*", "[!a]*", "**", "**/*", "**/*.jpg", "*/*.jpg", "*/**/*.jpg", "20*/07/*",
        "**/07/*.jpg", "**/07/**/*.jpg", "**/**/a.jpg", "2019/*", "[[]x].jpg", "*/.h/*", ".h/*", "**/.h*",
        "2019/0?/**", "nothing*", "*.jpg/*", "**/x*", "2*/",
    ],
)  # fmt: skip
def test_a_pattern_takes_the_files_that_glob_takes(tmp_path: Path, pattern: str) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    matches = glob.glob(pattern, root_dir=tmp_path, recursive=True)  # noqa: PTH207  # pathlib's is another dialect
    expected = [name for name in matches if (tmp_path / name).is_file()]
    root, rest = split_pattern(f"{tmp_path}/{pattern}")
    found = list(FolderSource(Path(root), 1.0, (), rest))
    names = [str(Path(root, one.name).relative_to(tmp_path)) for one in found]
    assert names == sorted(set(expected))  # glob gives some twice
    assert not any(one.skipped for one in found)


@pytest.mark.parametrize(
    ("where", "root", "parts"),
    [
        ("photos/**/*.jpg", "photos", ("**", "*.jpg")),
        ("/data/a/b?/c/x.jpg", "/data/a", ("b?", "c", "x.jpg")),
        ("*.jpg", ".", ("*.jpg",)),
        ("/*.jpg", "/", ("*.jpg",)),
        ("a//[bc]", "a/", ("[bc]",)),
        ("../x*/", "..", ("x*",)),
    ],
)
def test_the_fixed_part_is_the_root(where: str, root: str, parts: tuple[str, ...]) -> None:
    assert split_pattern(where) == (root, Pattern(parts))


def test_a_folder_that_cannot_match_is_not_listed(tmp_path: Path) -> None:
    for name in ("a/x.jpg", "b/x.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    before = (tmp_path / "b").stat().st_atime_ns
    os.utime(tmp_path / "b", ns=(1, 1))
    assert [found.name for found in FolderSource(tmp_path, 1.0, (), Pattern(("a", "*")))] == ["a/x.jpg"]
    assert (tmp_path / "b").stat().st_atime_ns == 1 != before


def test_a_link_is_followed_where_its_files_have_no_other_name(tmp_path: Path) -> None:
    for name in ("root/real/x.jpg", "root/real/y.png", "other/z.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "root" / "link1").symlink_to(tmp_path / "root" / "real")
    (tmp_path / "root" / "link2").symlink_to(tmp_path / "other")
    (tmp_path / "root" / "real" / "up").symlink_to(tmp_path / "root")

    def files(*parts: str) -> set[str]:
        found = FolderSource(tmp_path / "root", 1.0, (), Pattern(parts))
        return {one.name for one in found if not one.skipped}

    assert files("link*", "*.jpg") == {"link1/x.jpg", "link2/z.jpg"}
    assert files("**", "*.jpg") == {"real/x.jpg", "link2/z.jpg"}
    assert sorted(Path(name).name for name in files("link*", "**", "*.jpg")) == ["x.jpg", "z.jpg"]


def test_archives_that_match_are_opened(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x05\x06" + bytes(18))  # an empty zip
    assert [found.skipped for found in FolderSource(tmp_path, 1.0, (), Pattern(("*.zip",)))] == [
        "an archive without files"
    ]
