from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from bluebird.search.results import thumbnails
from bluebird.search.results.thumbnails import SIDE_PX
from bluebird.search.sources import open_source
from tests.search.hostile import Hostile, colour_of


def test_a_picture_that_is_gone_or_hangs_or_kills_its_decoder_is_left_out_and_the_others_are_there() -> None:
    names = ["good/1", "sleep/2", "good/3", "crash/4", "gone/5", "compute/6", "text/7", "good/8"]
    with thumbnails(Hostile(), num_workers=2, timeout_seconds=0.5) as pictures:
        made = dict(zip(names, pictures(names), strict=True))
        assert list(pictures([])) == []
        assert len(list(pictures(["good/1"] * 40))) == 40
    assert [name for name, data in made.items() if data] == ["good/1", "good/3", "good/8"]
    for number in (1, 3, 8):
        with Image.open(io.BytesIO(made[f"good/{number}"] or b"")) as small:
            assert small.format == "JPEG"
            assert small.size == (16 + number % 3, 16)  # no larger than the file's
            assert small.getpixel((8, 8)) == pytest.approx(colour_of(number), abs=8)


def test_real_photos_keep_their_looks(real_pictures: Path) -> None:
    """Against Pillow's own way from the whole photo: small differences at edges, the same picture."""
    source = open_source(str(real_pictures / "camera"))
    names = [found.name for found in source][:3]
    with thumbnails(source, num_workers=2, timeout_seconds=10) as pictures:
        for name, data in zip(names, pictures(names), strict=True):
            with Image.open(io.BytesIO(data or b"")) as small, Image.open(real_pictures / "camera" / name) as photo:
                photo.draft("RGB", (960, 960))
                expected = ImageOps.exif_transpose(photo).convert("RGB").resize(small.size, Image.Resampling.BICUBIC)
                difference = ImageStat.Stat(ImageChops.difference(expected, small)).mean
                assert max(small.size) == SIDE_PX
                assert max(difference) < 6  # grey levels, most of them of the JPEG
