"""A picture file becomes an upright RGB tensor, or one exception that says why it cannot.

Everything that reads a picture anywhere in Bluebird goes through `decode`, so a file looks the same to
training and to the search. torch is imported only where a tensor is made: a process that needs none
stays small and starts at once.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import EpsImagePlugin, Image, ImageCms, ImageOps, UnidentifiedImageError

from bluebird.errors import UnreadablePictureError

if TYPE_CHECKING:
    from torch import Tensor

MAX_PIXELS = 178_956_970
"""Largest width x height that is decoded: Pillow's own limit for a decompression bomb (537 MB of RGB)."""

PROGRAMS = ("EPS", "IPTC")
"""Formats whose reading may run what is read: Pillow hands PostScript to Ghostscript, and IPTC may wrap PostScript."""

EpsImagePlugin.gs_binary = False  # Pillow's word for: there is no Ghostscript, whatever else may wrap PostScript

PAPER = (255, 255, 255)
"""What shows through where a picture is transparent."""

_TORCHVISION_READS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")
"""How the files begin that torchvision's decoders know: JPEG, PNG, GIF, WebP."""

_WARNINGS = threading.Lock()  # the list of filters belongs to all threads

_BROKEN = (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, AttributeError,
           OverflowError, EOFError, struct.error, RuntimeError, MemoryError, NotImplementedError,
           ZeroDivisionError, AssertionError, RecursionError, Image.DecompressionBombWarning,
           Image.DecompressionBombError)  # fmt: skip
"""What Pillow's fifty plugins raise on malformed files; all of it means the same to a user."""


def decode(path: str | PathLike[str]) -> Tensor:
    """Read one picture file as RGB.

    Args:
        path: any file that Pillow (or, failing that, torchvision) can read.

    Returns:
        uint8 tensor (3, H, W), upright by its EXIF orientation; the first frame of an animation;
        transparency laid on white; CMYK, Lab, palette, grey and 16-bit modes brought to 8-bit RGB.

    Raises:
        UnreadablePictureError: missing, empty, broken, truncated, not a picture, or over `MAX_PIXELS`.
    """
    return decode_bytes(read_file(path), path)


def read_file(path: str | PathLike[str]) -> bytes:
    """All bytes of a regular file; anything else (folder, pipe, socket, no permission) is unreadable."""
    file = Path(path)
    try:
        if not file.is_file():
            raise UnreadablePictureError(path, "not a regular file" if file.exists() else "no such file")
        data = file.read_bytes()
    except OSError as error:
        raise UnreadablePictureError(path, error.strerror or str(error)) from error
    if not data:
        raise UnreadablePictureError(path, "the file is empty (0 bytes)")
    return data


def decode_bytes(data: bytes, path: str | PathLike[str]) -> Tensor:
    """`decode` for a file already in memory; `path` only names it in errors."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            _refuse_unsafe(image, path)
            pixels = np.array(to_rgb(image))
    except UnreadablePictureError:
        raise
    except UnidentifiedImageError:
        return _decode_with_torchvision(data, path)
    except _BROKEN as error:
        raise UnreadablePictureError(path, _reason(error)) from error
    import torch

    return torch.from_numpy(pixels).permute(2, 0, 1)


def to_rgb(image: Image.Image) -> Image.Image:
    """The first frame of an opened picture, upright, in mode RGB."""
    image.seek(0)
    image.load()
    upright = _upright(image)
    if upright.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        return _scale_deep_grey(upright).convert("RGB")
    if upright.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(upright, lab, srgb, outputMode="RGB") or upright
    if upright.has_transparency_data or upright.mode in ("RGBa", "La"):
        rgba = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, PAPER), rgba).convert("RGB")
    return upright.convert("RGB")


def _refuse_unsafe(image: Image.Image, path: str | PathLike[str]) -> None:
    """Judge by the header alone, before a pixel is decoded."""
    width, height = image.size
    if image.format in PROGRAMS:
        raise UnreadablePictureError(path, "PostScript is a program, not a picture; convert it first")
    if width * height > MAX_PIXELS:
        raise UnreadablePictureError(
            path, f"{width} x {height} pixels, more than the limit of {MAX_PIXELS / 1e6:.0f} megapixels"
        )


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN:  # a garbled EXIF block says nothing of the orientation; the pixels are still good
        return image


def _scale_deep_grey(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits to 8; Pillow's own `convert` would cut everything above 255 to white.

    White is 65535 in the 16-bit modes. The 32-bit modes do not say what white is, so it is the least
    usual one that holds the brightest pixel: 1 (floats only), 255, 65535.
    """
    grey = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    whites = {"I": (255, 65535), "F": (1, 255, 65535)}.get(image.mode, (65535,))
    white = next((w for w in whites if grey.max(initial=0) <= w), whites[-1])
    return Image.fromarray((grey.clip(0, white) * (255 / white)).round().astype(np.uint8), "L")


def _decode_with_torchvision(data: bytes, path: str | PathLike[str]) -> Tensor:
    """The few files that only torchvision's decoders take."""
    if not data.startswith(_TORCHVISION_READS):  # what is no picture at all shall not cost loading them
        raise UnreadablePictureError(path, "not a picture, or of a kind that cannot be read")
    import torch
    from torchvision.io import ImageReadMode, decode_image

    try:
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer releases announce that these decoders will move
            pixels: Tensor = decode_image(encoded, ImageReadMode.RGB, apply_exif_orientation=True)
        return pixels
    except _BROKEN as error:
        raise UnreadablePictureError(path, "not a picture, or of a kind that cannot be read") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"more than the limit of {MAX_PIXELS / 1e6:.0f} megapixels"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.isprintable() else repr(text)
