from __future__ import annotations

from pathlib import Path

import pytest

from bluebird.errors import DataError
from bluebird.pixels.datamodule import BirdData
from bluebird.pixels.held_out import read_labelled
from tests.conftest import MakeFolder, write_folder

SHARES = {"val": 0.15, "test": 0.15}


def _own(root: Path) -> BirdData:
    data = BirdData(root, 16, seed=3)
    data.setup()
    return data


def test_of_the_training_data_only_the_test_split_judges(make_folder: MakeFolder) -> None:
    root = make_folder(20)
    data = _own(root)
    labelled = read_labelled(root, 16, data.fingerprint, SHARES, 3)
    assert labelled.is_own
    assert labelled.split == "test"
    assert labelled.judging == data.datasets["test"].rows.tolist()
    assert labelled.learnt == data.datasets["train"].rows.tolist()


def test_other_data_judges_as_a_whole(make_folder: MakeFolder) -> None:
    root = make_folder(20)
    fingerprint = _own(root).fingerprint
    (root / "red" / "000.png").unlink()
    labelled = read_labelled(root, 16, fingerprint, SHARES, 3)
    assert (labelled.split, labelled.is_own, labelled.learnt) == ("all", False, [])
    assert labelled.judging == list(range(39))
    assert [path.parent.name for path in labelled.paths] == labelled.labels


def test_a_test_split_of_the_layout_judges(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("test", 3)):
        write_folder(tmp_path / split, count, ("blue", "red"))
    labelled = read_labelled(tmp_path, 16, "another", SHARES, 0)
    assert {labelled.paths[number].parent.parent.name for number in labelled.judging} == {"test"}
    assert len(labelled.judging) == 6
    assert {labelled.paths[number].parent.parent.name for number in labelled.learnt} == {"train"}


def test_one_picture_of_a_class_is_enough_to_judge_by(make_folder: MakeFolder) -> None:
    assert len(read_labelled(make_folder(1), 16, "", SHARES, 0).judging) == 2


def test_unreadable_files_are_told_and_move_nothing(make_folder: MakeFolder) -> None:
    root = make_folder(4)
    (root / "blue" / "0000.png").write_text("no picture")
    labelled = read_labelled(root, 16, "", SHARES, 0)
    assert [Path(failure.path).name for failure in labelled.failures] == ["0000.png"]
    assert len(labelled.paths) == len(labelled.labels) == 8
    strongest = labelled.pictures(range(8)).float().mean((2, 3)).argmax(1)
    assert strongest.tolist() == [{"red": 0, "blue": 2}[label] for label in labelled.labels]


def test_nothing_readable_is_refused(tmp_path: Path) -> None:
    for name in ("blue", "red"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_text("no picture")
    with pytest.raises(DataError, match="none of the 2 files can be read"):
        read_labelled(tmp_path, 16, "", SHARES, 0)
