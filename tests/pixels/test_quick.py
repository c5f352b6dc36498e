from __future__ import annotations

import hashlib
import io
import os
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFilter

from bluebird.errors import UnreadablePictureError
from bluebird.pixels.decode import MAX_PIXELS, decode_bytes
from bluebird.pixels.quick import dhash, load, room, shrink
from bluebird.pixels.squeeze import squeeze
from tests.conftest import REPOSITORY

UPRIGHT = range(1, 9)


def scene(width: int, height: int, seed: int = 0) -> Image.Image:
    """Soft spots and hard edges, as photos have them; no turn or mirror of it looks like it."""
    rng = np.random.default_rng(seed)
    spots = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
    y, x = np.mgrid[0:height, 0:width]
    edges = np.where(x * 5 > y * 3 + width, 40, 0) + np.where((x // 19 + y // 13) % 4 == 0, 20, 0)
    pixels = np.asarray(spots).astype(int) * 3 // 4 + edges[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))


def encoded(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def off(data: bytes, image_size: int) -> tuple[int, float]:
    """How far the quick way is from the slow one, in grey levels: at most, and on average."""
    quick, slow = shrink(data, "a", image_size).pixels, squeeze(decode_bytes(data, "a"), image_size)
    assert quick.dtype == torch.uint8
    assert quick.shape == (3, image_size, image_size)
    difference = (quick.int() - slow.int()).abs()
    return int(difference.max()), float(difference.float().mean())


def exif(orientation: int = 1, taken: str = "") -> Image.Exif:
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = orientation
    if taken:
        block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    return block


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_a_jpeg_of_any_kind_looks_as_it_does_the_slow_way(mode: str, options: dict, subsampling: str) -> None:
    for width, height, limit in [(90, 61, 1), (128, 128, 20), (301, 517, 20), (1100, 530, 20), (3001, 131, 20)]:
        data = encoded(scene(width, height).convert(mode), quality=92, subsampling=subsampling, **options)
        most, mean = off(data, 32)
        assert most <= (1 if mode == "CMYK" else limit), (width, height)
        assert mean <= 0.5, (width, height)


@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from(UPRIGHT), st.sampled_from([16, 33, 64]))
@settings(max_examples=60, deadline=None)
def test_no_size_and_no_turn_moves_the_picture(width: int, height: int, orientation: int, image_size: int) -> None:
    # A ramp shows every shift, and little else: half an output pixel would be four grey levels.
    y, x = np.mgrid[0:height, 0:width] / max(width, height) * 8 * image_size
    ramp = np.stack([x % 256, y % 256, (x + y) % 256], axis=-1)
    ramp = np.where(ramp < 128, ramp, 255 - ramp).astype(np.uint8)
    data = encoded(Image.fromarray(ramp), quality=98, subsampling="4:4:4", exif=exif(orientation))
    most, mean = off(data, image_size)
    assert mean <= 1
    if min(width, height) < 4 * image_size:
        assert most <= 1


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_large_photo_is_turned_upright(orientation: int) -> None:
    data = encoded(scene(803, 533), quality=92, exif=exif(orientation))
    assert load(data, "a", 48).pixels.shape[0] < 533  # decoded small, then turned
    assert off(data, 48)[1] <= 0.5


def test_a_large_photo_is_never_decoded_below_twice_the_square() -> None:
    for side in range(128, 1100, 37):
        height, width, _ = load(encoded(scene(side, side + 200)), "a", 32).pixels.shape
        assert min(height, width) >= 64
        assert height * width <= room(32)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("I;16", "PNG"), ("1", "PNG"), ("RGB", "WEBP"), ("P", "GIF")],
)
def test_what_is_no_jpeg_is_within_a_grey_level_at_any_size(mode: str, kind: str) -> None:
    for width, height in [(20, 31), (150, 90), (700, 300)]:
        picture = scene(width, height)
        if mode == "I;16":
            picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
        data = encoded(picture if mode == "I;16" else picture.convert(mode), kind)
        assert off(data, 32)[0] <= 1, (width, height)


def test_a_picture_of_the_squares_size_is_taken_as_it_is() -> None:
    picture = scene(24, 24)
    np.testing.assert_array_equal(shrink(encoded(picture, "PNG"), "a", 24).pixels.permute(1, 2, 0), np.asarray(picture))


def test_the_facts_are_those_of_the_file() -> None:
    data = encoded(scene(300, 200), exif=exif(6, "2024:05:01 06:30:00"))
    facts = shrink(data, "a", 32).facts
    assert (facts.width, facts.height, facts.orientation) == (300, 200, 6)
    assert facts.taken == "2024-05-01T06:30:00"
    assert facts.digest == hashlib.blake2b(data, digest_size=16).digest()


@pytest.mark.parametrize(
    "taken", ["", "0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", "2024:13:01 06:30:00"]
)
def test_a_time_that_is_none_is_empty(taken: str) -> None:
    assert shrink(encoded(scene(30, 20), exif=exif(1, taken)), "a", 16).facts.taken == ""


@pytest.mark.parametrize("block", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0garbage", b"Exif\0\0"])
def test_a_garbled_exif_block_does_not_cost_the_picture(block: bytes) -> None:
    data = encoded(scene(300, 200), exif=block)
    assert shrink(data, "a", 32).facts.orientation == 1
    assert off(data, 32)[1] <= 0.5


def bits(one: int, other: int) -> int:
    return ((one ^ other) & (2**64 - 1)).bit_count()


def test_the_hash_says_where_it_gets_brighter_from_left_to_right() -> None:
    ramp = torch.arange(0, 234, 26, dtype=torch.uint8).expand(1, 3, 8, 9)  # nine columns, each brighter
    assert dhash(ramp) == [-1]  # all 64 bits
    assert dhash(ramp.flip(-1)) == [0]
    top = torch.cat([ramp[:, :, :1], ramp[:, :, 1:].flip(-1)], dim=2)
    assert dhash(torch.cat([top, ramp])) == [-(2**56), -1]


def test_near_duplicates_hash_alike_and_strangers_do_not() -> None:
    picture = scene(640, 480)
    hashes = [
        shrink(data, "a", 64).dhash
        for data in (
            encoded(picture, quality=95),
            encoded(picture, quality=40),
            encoded(picture.resize((320, 240)), "PNG"),
            encoded(picture.point(lambda level: level * 0.8)),
            encoded(scene(640, 480, seed=1)),
        )
    ]
    assert max(bits(hashes[0], hash_) for hash_ in hashes[1:4]) <= 6
    assert bits(hashes[0], hashes[4]) > 16


def test_whatever_decode_refuses_is_refused_for_the_same_reason() -> None:
    side = int(MAX_PIXELS**0.5) + 1
    bomb = bytearray(encoded(scene(16, 16)))
    frame = bomb.index(b"\xff\xc0")
    bomb[frame + 5 : frame + 9] = side.to_bytes(2, "big") * 2  # the height and width of a JPEG's frame header
    whole = encoded(scene(500, 400), quality=95)
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    for data in (b"", b"no picture", postscript, bytes(bomb), whole[:300], whole[:9000], whole[:-300]):
        with pytest.raises(UnreadablePictureError) as slow:
            decode_bytes(data, "a.jpg")
        with pytest.raises(UnreadablePictureError) as quick:
            shrink(data, "a.jpg", 32)
        assert (quick.value.path, quick.value.reason) == ("a.jpg", slow.value.reason)


def test_postscript_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path / 'run'}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # Pillow looks only once
    postscript = encoded(scene(20, 10), "EPS")
    with Image.open(io.BytesIO(postscript)) as image, suppress(OSError):
        image.load()
    assert (tmp_path / "run").exists()  # this is how it would show
    (tmp_path / "run").unlink()
    for data in (postscript, _wrapped(postscript)):
        with pytest.raises(UnreadablePictureError, match="PostScript"):
            shrink(data, "a.jpg", 32)
        with pytest.raises(UnreadablePictureError, match="PostScript"):
            decode_bytes(data, "a.jpg")
        assert not (tmp_path / "run").exists()


def _wrapped(picture: bytes) -> bytes:
    """A file of another format as the image of an IPTC file, which Pillow opens like any other."""
    fields = {(3, 60): b"\1\0", (3, 20): b"\24", (3, 30): b"\12", (3, 120): b"\5", (8, 10): picture}
    return b"".join(bytes([0x1C, *tag]) + struct.pack(">H", len(data)) + data for tag, data in fields.items())


def test_ghostscript_is_hidden_from_pillow_however_postscript_is_wrapped(tmp_path: Path) -> None:
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path / 'run'}\n")
    ghostscript.chmod(0o755)
    reads = "import sys, io\nfrom PIL import Image\n{}\nImage.open(io.BytesIO(sys.stdin.buffer.read())).load()"
    wrapped = _wrapped(encoded(scene(20, 10), "EPS"))
    for loaded, runs in (("", True), ("import bluebird.pixels.decode", False)):
        command, environment = [sys.executable, "-c", reads.format(loaded)], {"PATH": f"{tmp_path}:/bin:/usr/bin"}
        subprocess.run(command, input=wrapped, env=os.environ | environment, capture_output=True, cwd=REPOSITORY)
        assert (tmp_path / "run").exists() == runs
        (tmp_path / "run").unlink(missing_ok=True)


def test_real_photos_look_as_they_do_the_slow_way(real_pictures: Path) -> None:
    camera = sorted((real_pictures / "camera").glob("*.jpg"))[1:4]
    turned = sorted((real_pictures / "odd" / "exif_orientation").rglob("*_[1-8].jpg"))
    birds = sorted((real_pictures / "cub100" / "test").rglob("*.jpg"))[::60]
    assert min(len(camera), len(turned), len(birds)) >= 3
    for path in camera + turned + birds:
        assert off(path.read_bytes(), 64)[1] <= 0.5, path
    for path in birds:
        assert off(path.read_bytes(), 64)[0] <= 1, path
