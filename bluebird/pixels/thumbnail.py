"""A small picture of a picture, for pages."""

from __future__ import annotations

import io
from contextlib import suppress

from PIL import Image, ImageOps

from bluebird.pixels.decode import decode_bytes


def thumbnail(data: bytes, name: str, side_px: int = 240) -> bytes:
    """The picture in the bytes of a file as a JPEG of at most `side_px` on its longer side, upright.

    Raises:
        UnreadablePictureError: as `decode_bytes`.
    """
    small = _reduced(data, side_px) or Image.fromarray(decode_bytes(data, name).permute(1, 2, 0).numpy())
    small.thumbnail((side_px, side_px), reducing_gap=2.0)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=82)
    return out.getvalue()


def _reduced(data: bytes, side_px: int) -> Image.Image | None:
    """A plain JPEG, decoded at a fraction of its size; None for all else, which `decode_bytes` is the judge of."""
    with suppress(Exception), Image.open(io.BytesIO(data)) as image:
        if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
            image.draft("RGB", (2 * side_px, 2 * side_px))
            return ImageOps.exif_transpose(image).convert("RGB")
    return None
