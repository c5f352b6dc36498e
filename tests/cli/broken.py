"""Picture files and archives that are broken on purpose, or mean harm."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

_FORMATS: dict[str, tuple[str, dict[str, object]]] = {
    "jpg": ("JPEG", {}),
    "jpeg": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "gif": ("GIF", {}),
    "webp": ("WEBP", {}),
    "tif": ("TIFF", {"compression": "tiff_lzw"}),
    "bmp": ("BMP", {}),
}
OPENED = ("zip", "tar", "tgz", "mp4", "mov")  # for what they hold, whatever they are
_OTHER_ENDINGS = ("", "txt", "csv", "eps", "svg", *OPENED)


def painted(ending: str, draw: np.random.Generator) -> bytes:
    """A small landscape of soft spots."""
    kind, options = _FORMATS[ending]
    spots = Image.fromarray(draw.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    file = io.BytesIO()
    spots.resize((72, 48), Image.Resampling.BICUBIC).save(file, kind, **options)
    return file.getvalue()


def _flipped(data: bytes, draw: random.Random) -> bytes:
    """With up to 16 wrong bits."""
    damaged = bytearray(data)
    for _ in range(draw.randint(1, 16)):
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def variants(seed: int, flips: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents: each format whole, cut at every 64th byte, with wrong bits, and called what it is not."""
    draw, brush = random.Random(seed), np.random.default_rng(seed)
    for ending in _FORMATS:
        data = painted(ending, brush)
        yield f"whole.{ending}", data
        yield from ((f"cut {length:05d}.{ending}", data[:length]) for length in range(0, len(data), 64))
        yield from ((f"flipped {n:03d}.{ending}", _flipped(painted(ending, brush), draw)) for n in range(flips))
        yield from (
            (f"{ending}.{other}".rstrip("."), data) for other in (*_FORMATS, *_OTHER_ENDINGS) if other != ending
        )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def vast() -> bytes:
    """A PNG that says it is 100,000 pixels wide and high."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(300_001) * 100)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def bombs(path: Path, good: bytes) -> dict[str, str]:
    """An archive with members that unpack to more than they claim, or than the limit; why each cannot be read."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, claim in (("less.png", 1000), ("more.png", 2**29 + 2**20)):
            archive.writestr(name, bytes(2**26))
            archive.getinfo(name).file_size = claim  # the directory at the end is not written yet
        archive.writestr("good.png", good)
        archive.writestr("vast.png", vast())
        archive.writestr("inner.zip", b"PK")
    return {
        "less.png": "cannot be unpacked: Bad CRC-32 for file 'less.png'",
        "more.png": "unpacks to 513 MiB, more than the limit of 512 MiB",
        "vast.png": "more than the limit of 179 megapixels",
        "inner.zip": "archive inside an archive: only one level is opened; unpack it first",
    }


def slow() -> bytes:
    """A small JPEG that takes a minute: it comes in ten thousand passes, each over sixteen million pixels."""
    file = io.BytesIO()
    Image.new("L", (4000, 4000), 128).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + 10_000 * last + data[-2:]
