from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bluebird.errors import OutputError, UsageError
from bluebird.pixels.layout import read_layout
from bluebird.pixels.paint import CLASS_NAMES, contact_sheet, paint_folder, paint_picture
from tests.conftest import REPOSITORY


def test_a_set_is_class_folders_of_equal_size(tmp_path: Path) -> None:
    paths = paint_folder(tmp_path / "set", count=30, size_px=16, workers=1)
    listing = read_layout(tmp_path / "set")
    assert listing.classes == tuple(sorted(CLASS_NAMES))
    assert sorted(sample.path for sample in listing.samples) == sorted(paths)
    assert {sum(s.label == name for s in listing.samples) for name in CLASS_NAMES} == {3}


def test_the_files_hold_the_painters_pixels_however_many_paint(tmp_path: Path) -> None:
    paths = paint_folder(tmp_path / "set", count=12, seed=3, size_px=16, workers=2)
    for index, path in enumerate(paths):
        expected = paint_picture(CLASS_NAMES[index % len(CLASS_NAMES)], seed=3, index=index, size_px=16)
        with Image.open(path) as picture:
            np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected))


def test_a_set_that_lies_there_is_not_painted_again(tmp_path: Path) -> None:
    (path, *_) = paint_folder(tmp_path / "set", count=2, size_px=16, workers=1)
    before = path.stat().st_mtime_ns
    paint_folder(tmp_path / "set", count=2, size_px=16, workers=1)
    assert path.stat().st_mtime_ns == before


def test_something_else_is_never_painted_over(tmp_path: Path) -> None:
    paint_folder(tmp_path / "set", count=2, size_px=16, workers=1)
    with pytest.raises(OutputError, match="holds something else already"):
        paint_folder(tmp_path / "set", count=3, size_px=16, workers=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(OutputError, match="holds something else already"):
        paint_folder(tmp_path / "mine", count=2, size_px=16, workers=1)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["diary.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/set'.*cannot be written"):
        paint_folder(tmp_path / "file" / "set", count=2, size_px=16, workers=1)


def test_no_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="count is 0"):
        paint_folder(tmp_path / "set", count=0)


def test_the_readmes_sheet_is_what_the_painter_paints() -> None:
    """`make sheet` writes it; what is committed must not fall behind the painter."""
    with Image.open(REPOSITORY / "docs" / "painted_birds.jpg") as picture:
        committed = np.asarray(picture.convert("RGB"), dtype=float)
    painted = np.asarray(contact_sheet(size_px=80, difficulty=0.35), dtype=float)
    assert committed.shape == painted.shape
    assert np.abs(committed - painted).mean() < 6  # what JPEG takes away
