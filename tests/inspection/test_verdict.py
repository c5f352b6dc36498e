from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bluebird.inspection.verdict import answer, remarks, steps
from tests.inspection.sets import looked_at, paint


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Split folders, complete, of two classes without a fault."""
    for label in ("cardinal", "robin"):
        for number, (split, count) in enumerate((("train", 12), ("val", 3), ("test", 3))):
            paint(tmp_path / split, label, count, first=50 * number)
    return tmp_path


def test_a_folder_in_order_has_nothing_in_the_way(birds: Path) -> None:
    found = looked_at(birds)
    assert steps(found) == []
    assert answer(found) == "Nothing stands in the way of a training."


def test_each_step_has_its_number_and_the_gravest_comes_first(birds: Path) -> None:
    for number in range(2):
        (birds / "train" / "robin" / f"{number}.jpg").write_text("no picture")
    shutil.copy(birds / "train" / "robin" / "000.png", birds / "test" / "robin" / "leak.png")
    found = looked_at(birds)
    first, second = steps(found)
    assert first.startswith("2 pictures cannot be read: ")
    assert second.startswith("1 picture shows the same as a picture of another split: ")
    assert answer(found) == "2 things are to be mended first."


def test_what_a_training_would_refuse_comes_first_in_its_own_words(tmp_path: Path) -> None:
    paint(tmp_path, "cardinal", 6)
    paint(tmp_path, "robin", 2)
    first, *_ = steps(looked_at(tmp_path))
    assert "class 'robin' has 2 different picture(s) to train on; at least 3 are needed" in first


def test_near_copies_stand_in_the_way_only_where_splits_are_still_to_be_drawn(birds: Path) -> None:
    from PIL import Image

    with Image.open(birds / "train" / "robin" / "000.png") as image:
        image.resize((90, 90)).save(birds / "train" / "robin" / "near.jpg", quality=60)
    found = looked_at(birds)
    assert steps(found) == []
    assert any(remark.startswith("1 picture shows the same as another of their class") for remark in remarks(found))
    shutil.rmtree(birds / "val")
    found = looked_at(birds)
    assert "val will be drawn by lot" in steps(found)[0]
    assert not any("counted double" in remark for remark in remarks(found))


def test_very_uneven_classes_are_remarked_upon(tmp_path: Path) -> None:
    paint(tmp_path, "cardinal", 50)
    paint(tmp_path, "robin", 5)
    assert any("very uneven" in remark for remark in remarks(looked_at(tmp_path)))
    (tmp_path / "cardinal" / "000.png").unlink()
    assert not any("very uneven" in remark for remark in remarks(looked_at(tmp_path)))


def test_classes_that_were_not_judged_are_named(tmp_path: Path) -> None:
    for label in ("cardinal", "robin"):
        paint(tmp_path, label, 12)
    paint(tmp_path, "bluebird", 4)
    assert any("not judged: bluebird." in remark for remark in remarks(looked_at(tmp_path)))


def test_what_the_layout_passed_over_is_said(tmp_path: Path) -> None:
    for label in ("cardinal", "robin"):
        paint(tmp_path, label, 6)
    (tmp_path / "wren").mkdir()
    assert any("wren' left out: an empty folder" in remark for remark in remarks(looked_at(tmp_path)))
