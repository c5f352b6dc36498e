from __future__ import annotations

from pathlib import Path

import pytest

from bluebird.errors import DataError
from bluebird.pixels.layout import read_layout


def _touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def _rows(root: Path) -> list[tuple[str, str, str | None]]:
    return [(sample.path.name, sample.label, sample.split) for sample in read_layout(root).samples]


def test_class_folders_name_the_classes(tmp_path: Path) -> None:
    _touch(tmp_path, "wren/1.jpg", "jay/2.jpg", "jay/deep/3.jpg")
    assert read_layout(tmp_path).classes == ("jay", "wren")
    assert _rows(tmp_path) == [("2.jpg", "jay", None), ("3.jpg", "jay", None), ("1.jpg", "wren", None)]


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_split_folders_name_the_splits(tmp_path: Path, name: str) -> None:
    _touch(tmp_path, "train/jay/1.jpg", "train/wren/2.jpg", f"{name}/jay/3.jpg", "test/wren/4.jpg")
    assert set(_rows(tmp_path)) == {
        ("1.jpg", "jay", "train"),
        ("2.jpg", "wren", "train"),
        ("3.jpg", "jay", "val"),
        ("4.jpg", "wren", "test"),
    }


def test_a_class_called_train_is_no_split(tmp_path: Path) -> None:
    _touch(tmp_path, "train/1.jpg", "bus/2.jpg")
    assert read_layout(tmp_path).classes == ("bus", "train")


def test_other_folders_beside_train_and_empty_ones_are_reported(tmp_path: Path) -> None:
    _touch(tmp_path, "train/jay/1.jpg", "train/wren/2.jpg", "extra/jay/3.jpg")
    (tmp_path / "train" / "robin").mkdir()
    listing = read_layout(tmp_path)
    assert listing.classes == ("jay", "wren")
    assert len(listing.notes) == 2
    assert any("extra" in note for note in listing.notes)
    assert any("robin" in note for note in listing.notes)


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    _touch(tmp_path, "jay/1.jpg", "jay/.DS_Store", "jay/Thumbs.db", "wren/2.jpg", ".cache/x/3.jpg")
    assert [name for name, _, _ in _rows(tmp_path)] == ["1.jpg", "2.jpg"]


def test_a_manifest_counts_paths_from_its_own_folder(tmp_path: Path) -> None:
    table = tmp_path / "birds.csv"
    table.write_text('path,label,split\nx/1.jpg,jay,train\n"odd, name.jpg",wren,\n2.jpg,jay,valid\n')
    samples = read_layout(table).samples
    assert [(s.path, s.label, s.split) for s in samples] == [
        (tmp_path / "x/1.jpg", "jay", "train"),
        (tmp_path / "odd, name.jpg", "wren", None),
        (tmp_path / "2.jpg", "jay", "val"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected the columns"),
        ("file,class\na,b\n", "expected the columns"),
        ("path,label\n1.jpg,jay\n1.jpg,wren\n", "line 3.*listed twice"),
        ("path,label\n1.jpg,\n", "line 2.*must not be empty"),
        ("path,label,split\n1.jpg,jay,exam\n", "line 2.*split 'exam'"),
        ('path,label\n"1.jpg,jay\n', "not a readable CSV"),
        ("path,label\n", "no pictures"),
        ("path,label\n1.jpg,jay\n", "only one class"),
    ],
)
def test_a_manifest_that_is_none_is_refused_by_line(tmp_path: Path, text: str, reason: str) -> None:
    table = tmp_path / "birds.csv"
    table.write_text(text)
    with pytest.raises(DataError, match=reason):
        read_layout(table)


def test_folders_that_cannot_be_trained_on_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_layout(tmp_path / "absent")
    with pytest.raises(DataError, match="no pictures"):
        read_layout(tmp_path)
    _touch(tmp_path, "jay/1.jpg")
    with pytest.raises(DataError, match="only one class"):
        read_layout(tmp_path)


def test_a_class_that_train_never_saw_is_refused_by_name(tmp_path: Path) -> None:
    _touch(tmp_path, "train/jay/1.jpg", "train/wren/2.jpg", "val/jay/3.jpg", "val/robin/4.jpg")
    with pytest.raises(DataError, match=r"'robin' in val or test, but not in train"):
        read_layout(tmp_path)
