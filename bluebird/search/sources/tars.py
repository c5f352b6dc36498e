"""An open tar file, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, cast

from bluebird.errors import UnreadablePictureError
from bluebird.search.found import going_on
from bluebird.search.sources.disk import reason_of
from bluebird.search.sources.members import BROKEN, MAX_MEMBER_BYTES, Member, Numbering, check_readable

_MAGIC: dict[bytes, Callable[[Path], object]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_PADDING = 1 << 20  # tar files end in zeros, of which there are 20 blocks by custom
_MAX_HEADER = 1 << 20  # bytes; a name or the like, which the library reads as a whole
_STEP = 16 << 20  # bytes, unpacked in a second or two at worst
_MAX_RATIO = 100  # unpacked bytes to packed ones; of photos it is 1, of a bomb up to a thousand


class Tar:
    """The members of a tar file, as they come.

    A tar has no directory, so a member is looked for from where the last search ended, and its place is
    remembered. A compressed one can only be unpacked from its start: members read in the order of the archive
    take one pass in all, but each step back unpacks everything before it once more.
    """

    def __init__(self, file: IO[bytes], limit: int | None) -> None:
        self._file = file
        self._seek = file.seek if limit is None else partial(_unpack_to, file)
        self._tar = tarfile.TarFile(fileobj=cast(IO[bytes], _Bounded(file, limit)))
        self._rest = _walk(self._tar)
        self._places: dict[str, tuple[str, int, int]] = {}  # name in the tar, first byte, number of bytes

    @classmethod
    def open(cls, path: Path) -> Tar:
        with path.open("rb") as plain:
            start = plain.read(6)
        unpack = next((unpack for magic, unpack in _MAGIC.items() if start.startswith(magic)), None)
        limit = max(MAX_MEMBER_BYTES, _MAX_RATIO * path.stat().st_size) if unpack else None
        file = cast(IO[bytes], unpack(path)) if unpack else path.open("rb")
        try:
            return cls(file, limit)
        except BaseException:
            file.close()
            raise

    def __iter__(self) -> Iterator[Member]:
        for name, info in _walk(self._tar):
            yield Member(name, info.size, _skipped(info))

    def read(self, name: str) -> bytes:
        original, start, size = self._find(name)
        check_readable(name, original, size)
        try:
            self._seek(start)
            data = self._file.read(size)
        except BROKEN as error:
            raise UnreadablePictureError(name, f"cannot be unpacked: {reason_of(error)}") from None
        if len(data) < size:
            raise UnreadablePictureError(name, "cannot be unpacked: the archive ends in the middle of it")
        return data

    def close(self) -> None:
        self._tar.close()
        self._file.close()

    def __del__(self) -> None:
        if hasattr(self, "_tar"):
            self.close()  # a thread that ends leaves its open files to the collector

    def _find(self, name: str) -> tuple[str, int, int]:
        while name not in self._places:
            found = next(self._rest, None)
            if found is None:
                raise UnreadablePictureError(name, "no such file in the archive")
            going_on()
            self._places[found[0]] = (found[1].name, found[1].offset_data, found[1].size)
        return self._places[name]


class _Bounded:
    """The file that a tar is walked in: whoever lists an archive must not be kept by it for hours, nor filled by it.

    Args:
        file: unpacks itself, where it is compressed.
        limit: how many bytes may be unpacked to get at a header; None where that costs nothing.
    """

    def __init__(self, file: IO[bytes], limit: int | None) -> None:
        self._file, self._limit = file, limit
        self.tell, self.close = file.tell, file.close

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size / 2**20:,.0f} MiB, more than the limit of 1 MiB")
        return self._file.read(size)

    def seek(self, place: int) -> int:
        if self._limit is not None and place > self._limit:
            unpacked = f"{place / 2**20:,.0f} MiB"
            raise tarfile.ReadError(
                f"packed more tightly than any picture: {unpacked} up to the next file; unpack it first"
            )
        return self._file.seek(place) if self._limit is None else _unpack_to(self._file, place)


def _unpack_to(file: IO[bytes], place: int) -> int:
    """Seek in a compressed file, which is to unpack all up to there, in steps of which each is a sign of life."""
    at = file.tell()
    if place < at - io.DEFAULT_BUFFER_SIZE:  # nearer, it is in the buffer still
        at = file.seek(0)
    while place - at > _STEP and (reached := file.seek(at + _STEP)) > at:
        at = reached
        going_on()
    return file.seek(place)


def _walk(tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Members that are not folders, under unique names; raises where the archive is damaged."""
    numbering = Numbering()
    try:
        while info := tar.next():
            tar.members.clear()  # type: ignore[attr-defined]  # or it keeps a million of them
            if not info.isdir():
                yield numbering.unique(info.name), info
        _check_end(tar)
    except BROKEN as error:
        raise UnreadablePictureError("", f"broken archive: {reason_of(error)}") from None


def _file(tar: tarfile.TarFile) -> IO[bytes]:
    return cast(IO[bytes], tar.fileobj)  # None only where a tar is written


def _skipped(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return f"a link inside an archive, to {info.linkname}"
    if info.issparse():
        return "stored as a sparse file; unpack it first"
    return "" if info.isreg() else "a device or pipe inside an archive"


def _check_end(tar: tarfile.TarFile) -> None:
    """The library takes damage between members for the end; the end is a block of zeros."""
    file = _file(tar)
    file.seek(tar.offset)
    block = file.read(tarfile.BLOCKSIZE)
    if block != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no header of a file, and no end, where one must be; files may be missing")
    file.read(_PADDING)  # to the end of a compressed file, where its checksum is compared
