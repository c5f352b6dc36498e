"""A picture file becomes the network's square, as `decode` and `squeeze` make it but sooner.

It goes in two steps. `load` decodes a large JPEG straight to a fraction of its size and needs Pillow and numpy only, so
that a process that does nothing else is small and starts at once. `square` is what torch does better: the resize.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from bluebird.errors import UnreadablePictureError
from bluebird.pixels.decode import MAX_PIXELS, PROGRAMS, decode_bytes, to_rgb

if TYPE_CHECKING:
    from torch import Tensor

_UPRIGHT = 1
_LYING = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file tells of its picture.

    Args:
        width: pixels, as stored, before the picture is turned upright.
        height: likewise.
        orientation: the EXIF orientation, 1 to 8; 1 where there is none.
        taken: when the shutter opened (EXIF DateTimeOriginal, the camera's own clock), `2024-05-01T06:30:00`, or empty.
        digest: BLAKE2b of the file's bytes, 16 bytes.
    """

    width: int
    height: int
    orientation: int
    taken: str
    digest: bytes


def upright_sides(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height of a picture once it is turned upright, from those in its file and its EXIF orientation."""
    return (height, width) if orientation in _LYING else (width, height)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A picture on half its way, small but not yet square.

    Args:
        pixels: uint8 (h, w, 3), at most `room(image_size)` pixels.
        extent: how many rows and columns of `pixels` the picture covers; libjpeg rounds a fraction of a row up to one.
        turn: the EXIF orientation by which it is still to be turned upright.
        facts: of the file.
    """

    pixels: npt.NDArray[np.uint8]
    extent: tuple[float, float]
    turn: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The network's square of one picture: `pixels` uint8 (3, S, S), its `dhash` and the file's facts."""

    pixels: Tensor
    dhash: int
    facts: Facts


def shrink(data: bytes, name: str | PathLike[str], image_size: int) -> Shrunk:
    """The whole picture as a square of S = `image_size`, like `squeeze(decode_bytes(data, name), S)`.

    A JPEG of at least four times S on both sides is decoded at 1/2, 1/4 or 1/8 of its size (libjpeg's DCT scaling),
    never below twice S: on photos under half a grey level off on average. Elsewhere no pixel is off by more than one.

    Raises:
        UnreadablePictureError: whatever `decode_bytes` refuses, for the same reason.
    """
    loaded = load(data, name, image_size)
    pixels = square(loaded, image_size)
    return Shrunk(pixels, dhash(pixels[None])[0], loaded.facts)


def room(image_size: int) -> int:
    """How many pixels a loaded picture has at most: a large JPEG's, up to twice as wide as high, fit."""
    return 32 * image_size**2


def load(data: bytes, name: str | PathLike[str], image_size: int) -> Loaded:
    """One picture, decoded no larger than its square of `image_size` needs; without torch.

    Raises:
        UnreadablePictureError: whatever `decode_bytes` refuses, for the same reason.
    """
    try:
        loaded = _quickly(data, image_size)
    except MemoryError as error:  # the other way would ask for no less
        raise UnreadablePictureError(name, "not enough memory to decode it") from error
    except Exception:
        loaded = None
    if loaded:
        return loaded
    # Nothing is refused above: `decode_bytes` is the one judge, and reads some files that Pillow does not.
    picture = Image.fromarray(decode_bytes(data, name).permute(1, 2, 0).numpy())
    facts = Facts(*picture.size, _UPRIGHT, "", content_digest(data))
    return _within_room(picture, picture.size, _UPRIGHT, facts, image_size)


def _quickly(data: bytes, image_size: int) -> Loaded | None:
    with Image.open(io.BytesIO(data)) as image:
        is_safe = image.format not in PROGRAMS and image.width * image.height <= MAX_PIXELS
        return _load(image, data, image_size) if is_safe else None


def _load(image: Image.Image, data: bytes, image_size: int) -> Loaded:
    width, height = image.size
    if image.format not in ("JPEG", "MPO") or image.mode not in ("RGB", "L"):
        upright = to_rgb(image)  # before its EXIF, for which some formats would be loaded and their faults forgotten
        facts = Facts(width, height, *_exif(image), content_digest(data))
        return _within_room(upright, upright.size, _UPRIGHT, facts, image_size)
    facts = Facts(width, height, *_exif(image), content_digest(data))
    drafted = image.draft(None, (2 * image_size, 2 * image_size))
    size = drafted[1][2:] if drafted else image.size  # with its fractions, before libjpeg rounds them up
    rgb = image if image.mode == "RGB" else image.convert("RGB")  # `to_rgb` would copy it twice
    return _within_room(rgb, size, facts.orientation, facts, image_size)


def _within_room(picture: Image.Image, size: tuple[float, float], turn: int, facts: Facts, image_size: int) -> Loaded:
    """`picture`, covered up to `size` (width, height); if too large, squared by Pillow, within one level of torch."""
    if picture.width * picture.height > room(image_size):
        picture = picture.resize((image_size, image_size), Image.Resampling.BILINEAR, box=(0, 0, *size))
        size = picture.size
    return Loaded(np.array(picture), (size[1], size[0]), turn, facts)


def content_digest(data: bytes) -> bytes:
    """BLAKE2b of a file's bytes, 16 bytes."""
    return hashlib.blake2b(data, digest_size=16).digest()


def _exif(image: Image.Image) -> tuple[int, str]:
    """Orientation and time; a garbled EXIF block says nothing, and the pixels are still good."""
    orientation, taken = _UPRIGHT, ""
    with suppress(Exception):
        exif = image.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, _UPRIGHT)
        stamp = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal]
        taken = datetime.strptime(stamp.strip("\0 "), "%Y:%m:%d %H:%M:%S").isoformat()
    return (orientation if orientation in range(1, 9) else _UPRIGHT), taken


def square(loaded: Loaded, image_size: int) -> Tensor:
    """The network's square of a loaded picture, uint8 (3, S, S): resized as `squeeze` does, then turned upright."""
    import torch  # here and below, for the sake of processes that only `load`

    from bluebird.pixels.squeeze import squeeze

    pixels = torch.from_numpy(loaded.pixels).permute(2, 0, 1)
    if loaded.extent == pixels.shape[1:]:
        return _turned(squeeze(pixels, image_size), loaded.turn)
    side, (rows, cols) = [image_size, image_size], loaded.extent
    # `interpolate` takes a size or a scale; what lies beneath it takes both
    resize = torch.ops.aten._upsample_bilinear2d_aa
    return _turned(resize(pixels[None], side, False, image_size / rows, image_size / cols)[0], loaded.turn)


def _turned(pixels: Tensor, orientation: int) -> Tensor:
    """(3, S, S) as stored to upright, by EXIF orientation: transposed, then mirrored in one axis or both."""
    if orientation in _LYING:
        pixels = pixels.transpose(1, 2)
    axes = {2: (2,), 3: (1, 2), 4: (1,), 6: (2,), 7: (1, 2), 8: (1,)}.get(orientation)
    return pixels.flip(axes) if axes else pixels


def dhash(squares: Tensor) -> list[int]:
    """A hash of each square's looks: those of near-duplicates differ in a few of its 64 bits.

    The square is made 9 x 8 pixels small and grey; each bit says whether a pixel is brighter than its left neighbour.

    Args:
        squares: uint8 (N, 3, S, S).

    Returns:
        N signed 64-bit integers, as databases store them; `((a ^ b) & (2**64 - 1)).bit_count()` bits differ.

    Source: N. Krawetz, "Kind of Like That", The Hacker Factor Blog, 2013 (dHash).
    """
    from torch.nn import functional

    tiny = functional.interpolate(squares, size=(8, 9), mode="bilinear", antialias=True)  # (N, 3, 8, 9)
    red, green, blue = tiny.int().unbind(1)
    grey = 299 * red + 587 * green + 114 * blue  # whole numbers, so it is the same in any batch and on any machine
    bits = (grey[:, :, 1:] > grey[:, :, :-1]).flatten(1).numpy()  # (N, 64)
    hashes: list[int] = np.packbits(bits, axis=1).view(">i8")[:, 0].tolist()
    return hashes
