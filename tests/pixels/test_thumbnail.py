from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bluebird.errors import UnreadablePictureError
from bluebird.pixels.quick import shrink
from bluebird.pixels.thumbnail import thumbnail

RED, BLUE = (200, 40, 40), (40, 80, 200)
ORIENTATION = 274


def _halves(width: int, height: int) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def _encoded(image: Image.Image, kind: str = "JPEG", **more: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


def _thumbnail(data: bytes, name: str, side_px: int = 240) -> bytes:
    shrunk = shrink(data, name, side_px)
    return thumbnail(shrunk.pixels, shrunk.facts)


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    return image


def _colour(image: Image.Image, x: float, y: float) -> object:
    return image.getpixel((int(x * (image.width - 1)), int(y * (image.height - 1))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("size", "expected"), [((1200, 800), (240, 160)), ((500, 1000), (120, 240))])
def test_the_longer_side_is_brought_to_the_wanted_length(
    kind: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    small = _opened(_thumbnail(_encoded(_halves(*size), kind), "x", 240))
    assert small.size == expected
    assert _colour(small, 0.1, 0.5) == pytest.approx(RED, abs=6)
    assert _colour(small, 0.9, 0.5) == pytest.approx(BLUE, abs=6)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_small_picture_is_not_blown_up(kind: str) -> None:
    assert _opened(_thumbnail(_encoded(_halves(60, 30), kind), "x")).size == (60, 30)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("orientation", "red_at"),  # EXIF 2.32, table 6: which side of the view is the left side of the file
    [(1, (0.1, 0.5)), (2, (0.9, 0.5)), (3, (0.9, 0.5)), (4, (0.1, 0.5)),
     (5, (0.5, 0.1)), (6, (0.5, 0.1)), (7, (0.5, 0.9)), (8, (0.5, 0.9))],
)  # fmt: skip
def test_a_rotated_photo_is_turned_upright(kind: str, orientation: int, red_at: tuple[float, float]) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    small = _opened(_thumbnail(_encoded(_halves(960, 640), kind, exif=exif), "x"))
    assert small.size == ((160, 240) if orientation > 4 else (240, 160))
    assert _colour(small, *red_at) == pytest.approx(RED, abs=6)
    assert ORIENTATION not in small.getexif()  # it must not be turned again


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpeg_of_other_colours_becomes_rgb(mode: str) -> None:
    small = _opened(_thumbnail(_encoded(_halves(700, 700).convert(mode)), "x", 100))
    assert small.size == (100, 100)


def test_transparency_lies_on_white() -> None:
    clear = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    assert _colour(_opened(_thumbnail(_encoded(clear, "PNG"), "x")), 0.5, 0.5) == pytest.approx((255,) * 3, abs=2)


def test_a_garbled_exif_block_costs_nothing() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(40))
    assert _opened(_thumbnail(_encoded(_halves(960, 640), exif=exif), "x")).size == (240, 160)


@pytest.mark.parametrize("keep", [0, 10, 100, 400])
def test_what_is_no_whole_picture_is_refused_by_name(keep: int) -> None:
    noise = Image.effect_noise((300, 300), 80)
    with pytest.raises(UnreadablePictureError, match=r"'a/b\.jpg'"):
        _thumbnail(_encoded(noise)[:keep], "a/b.jpg")


def test_every_strange_file_gives_a_thumbnail_or_one_reason(real_pictures: Path) -> None:
    files = sorted(path for path in (real_pictures / "odd").rglob("*") if path.is_file() and path.stat().st_size < 2e5)
    good = 0
    for file in files[::7]:
        try:
            small = _opened(_thumbnail(file.read_bytes(), str(file), 64))
        except UnreadablePictureError:
            continue
        good += 1
        assert np.asarray(small).size
        assert max(small.size) <= 64
    assert 0 < good < len(files[::7])
