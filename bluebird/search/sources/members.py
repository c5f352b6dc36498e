"""What zip and tar have in common: their members, named so that no two share a name, and their limits."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from bluebird.errors import UnreadablePictureError
from bluebird.search.sources.names import kind_of

MAX_MEMBER_BYTES = 512 << 20
"""What one member may unpack to: far more than a picture, and far less than a bomb."""

BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError,
          ValueError, RuntimeError, NotImplementedError, IndexError, OverflowError, MemoryError)  # fmt: skip
"""What the libraries raise on damaged archives; all of it means the same to a user."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive: `skipped` says why it is none after all, e.g. a link."""

    name: str
    size: int
    skipped: str = ""


class Members(Protocol):
    """An open archive."""

    def __iter__(self) -> Iterator[Member]:
        """Every member that is not a folder, in the order of the archive.

        Raises:
            UnreadablePictureError: the archive is damaged from here on.
        """
        ...

    def read(self, name: str) -> bytes:
        """All bytes of a member.

        Raises:
            UnreadablePictureError: encrypted, damaged, over `MAX_MEMBER_BYTES`, or not there.
        """
        ...

    def close(self) -> None: ...


class Numbering:
    """Gives the second `x.jpg` the name `x.jpg (2)`; called in the order of the archive, it always gives the same."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def unique(self, name: str) -> str:
        times = self._times[name] = self._times.get(name, 0) + 1
        return name if times == 1 else self.unique(f"{name} ({times})")


def check_readable(name: str, original: str, size: int) -> None:
    """Refuse by what the archive says of a member, before a byte of it is unpacked.

    Args:
        name: the member's unique name.
        original: its name in the archive.
        size: unpacked, in bytes, as the archive claims.
    """
    if kind := kind_of(original):
        raise UnreadablePictureError(name, f"{kind} inside an archive: only one level is opened; unpack it first")
    if size > MAX_MEMBER_BYTES:
        raise UnreadablePictureError(name, f"unpacks to {size / 2**20:,.0f} MiB, more than the limit of 512 MiB")
    if size == 0:
        raise UnreadablePictureError(name, "the file is empty (0 bytes)")
