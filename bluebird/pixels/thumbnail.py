"""A small picture of a picture, for pages."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from bluebird.pixels.quick import Facts, upright_sides

if TYPE_CHECKING:
    from torch import Tensor


def thumbnail(pixels: Tensor, facts: Facts) -> bytes:
    """A picture's square with its old proportions, as a JPEG that is nowhere larger than the square or the picture.

    Args:
        pixels: uint8 (3, S, S), upright, as `quick.shrink` gives it.
        facts: of its file.
    """
    square = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    sides = upright_sides(facts.width, facts.height, facts.orientation)
    scale = min(1.0, square.width / max(sides))
    size = (max(1, round(sides[0] * scale)), max(1, round(sides[1] * scale)))
    small = square if size == square.size else square.resize(size, Image.Resampling.BILINEAR)
    return _jpeg(small)


def encoded(pixels: Tensor) -> bytes:
    """The square of a picture, uint8 (3, S, S), as a JPEG."""
    return _jpeg(Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()))


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()
