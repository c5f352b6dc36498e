from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bluebird.errors import UnreadablePictureError
from bluebird.pixels.decode import MAX_PIXELS, decode, decode_bytes


def as_array(path: Path) -> np.ndarray:
    return decode(path).permute(1, 2, 0).numpy()


@pytest.fixture
def gradient() -> Image.Image:
    """Not symmetric under any turn or mirror, so that every wrong orientation shows."""
    y, x = np.mgrid[0:20, 0:30]
    return Image.fromarray(np.stack([8 * x, 12 * y, 4 * x + 6 * y], axis=-1).astype(np.uint8))


def test_a_picture_becomes_bytes_of_three_channels(tmp_path: Path, gradient: Image.Image) -> None:
    gradient.save(tmp_path / "a.png")
    pixels = decode(tmp_path / "a.png")
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (3, 20, 30)
    np.testing.assert_array_equal(pixels.permute(1, 2, 0), np.asarray(gradient))


# What each EXIF orientation says was done to the upright picture, by numpy (TIFF 6.0, tag 274).
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_a_turned_photo_is_turned_upright(tmp_path: Path, gradient: Image.Image, orientation: int) -> None:
    upright = np.asarray(gradient)
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(as_array(tmp_path / "a.png"), upright)


def test_a_garbled_exif_block_does_not_cost_the_picture(tmp_path: Path, gradient: Image.Image) -> None:
    gradient.save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    np.testing.assert_array_equal(as_array(tmp_path / "a.png"), np.asarray(gradient))


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (200, 0, 100, 51)).save(tmp_path / "a.png")  # alpha 0.2
    expected = np.round(0.2 * np.array([200, 0, 100]) + 0.8 * 255)
    assert np.abs(as_array(tmp_path / "a.png") - expected).max() <= 1


def test_a_transparent_palette_is_laid_on_white(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "a.png", transparency=0)
    np.testing.assert_array_equal(as_array(tmp_path / "a.png"), [[[255, 255, 255], [0, 0, 255]]])


@pytest.mark.parametrize(("mode", "dtype"), [("L", np.uint8), ("I;16", np.uint16)])
def test_grey_keeps_its_brightness_whatever_its_depth(tmp_path: Path, mode: str, dtype: type) -> None:
    white = np.iinfo(dtype).max
    levels = np.array([[0.0, 0.25, 0.5, 1.0]])
    Image.fromarray((levels * white).astype(dtype)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as stored:
        assert stored.mode == mode
    grey = as_array(tmp_path / "a.png")
    assert (grey[..., 0] == grey[..., 2]).all()
    assert np.abs(grey[..., 0] - levels * 255).max() <= 1


def test_floating_point_grey_reaches_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32)).save(tmp_path / "a.tiff")
    assert np.abs(as_array(tmp_path / "a.tiff")[..., 0] - [[0, 127.5, 255]]).max() <= 1


def test_black_and_white_bitmaps_are_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(as_array(tmp_path / "a.png"), [[[255] * 3, [0] * 3]])


def test_printers_colours_come_out_as_light(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)  # magenta + yellow: red
    assert np.abs(as_array(tmp_path / "a.jpg").astype(int) - (255, 0, 0)).max() <= 4


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    np.testing.assert_array_equal(as_array(tmp_path / "a.gif")[0, 0], (255, 0, 0))


def test_a_name_with_spaces_newlines_and_odd_bytes_is_read(tmp_path: Path, gradient: Image.Image) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a b\nc\xff.png"))
    gradient.save(path)
    assert decode(path).shape == (3, 20, 30)


def _bomb() -> bytes:
    """A BMP of a few bytes that claims more pixels than the limit."""
    side = int(MAX_PIXELS**0.5) + 1
    return b"BM" + struct.pack("<IHHI IiiHHIIiiII", 54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"no picture at all", "not a picture"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "PNG|cannot"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (_bomb(), "megapixels"),
    ],
    ids=["empty", "text", "broken", "postscript", "bomb"],
)
def test_what_is_no_picture_is_named_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadablePictureError, match=reason) as error:
        decode(path)
    assert error.value.path == path
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_truncated_photo_is_refused_not_filled_with_grey(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    with pytest.raises(UnreadablePictureError, match="truncated"):
        decode_bytes(data[: len(data) // 2], "a.jpg")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere"), lambda path: None])
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path, make) -> None:
    make(tmp_path / "a.jpg")
    with pytest.raises(UnreadablePictureError, match=r"no such file|not a regular file"):
        decode(tmp_path / "a.jpg")


def test_the_error_survives_the_way_from_another_process() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(UnreadablePictureError("a.jpg", "broken")))  # noqa: S301 - our own
    assert (error.path, error.reason) == ("a.jpg", "broken")


def test_upright_photos_of_all_orientations_look_alike(real_pictures: Path) -> None:
    for shape in ("Landscape", "Portrait"):
        files = sorted((real_pictures / "odd" / "exif_orientation").rglob(f"*{shape}_[1-8].jpg"))
        assert len(files) == 8
        upright = as_array(files[0]).astype(float)
        for file in files[1:]:
            other = as_array(file).astype(float)
            assert other.shape == upright.shape
            assert np.abs(other - upright).mean() < 6, file  # re-encoded, so not equal


def test_strange_files_give_a_picture_or_a_reason(real_pictures: Path) -> None:
    files = [path for path in sorted((real_pictures / "odd").rglob("*")) if path.is_file()]
    good = bad = 0
    for path in files[::4]:
        try:
            good += decode(path).shape[0] == 3
        except UnreadablePictureError as error:
            bad += bool(error.reason.strip())
    assert good + bad == len(files[::4])
    assert good > 100
    assert bad > 30
