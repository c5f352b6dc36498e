"""An open tar file, compressed or not."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, cast

from bluebird.errors import UnreadablePictureError
from bluebird.search.sources.disk import reason_of
from bluebird.search.sources.members import BROKEN, Member, Numbering, check_readable

_Mode = Literal["r:", "r:gz", "r:bz2", "r:xz"]
_MAGIC: dict[bytes, _Mode] = {b"\x1f\x8b": "r:gz", b"BZh": "r:bz2", b"\xfd7zXZ\x00": "r:xz"}
_PADDING = 1 << 20  # tar files end in zeros, of which there are 20 blocks by custom


class Tar:
    """The members of a tar file, as they come.

    A tar has no directory, so a member is looked for from where the last search ended, and its place is
    remembered. A compressed one can only be unpacked from its start: members read in the order of the archive
    take one pass in all, but each step back unpacks everything before it once more.
    """

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._rest = _walk(tar)
        self._places: dict[str, tuple[str, int, int]] = {}  # name in the tar, first byte, number of bytes

    @classmethod
    def open(cls, path: Path) -> Tar:
        with path.open("rb") as file:
            start = file.read(6)
        mode: _Mode = next((mode for magic, mode in _MAGIC.items() if start.startswith(magic)), "r:")
        return cls(tarfile.open(path, mode))

    def __iter__(self) -> Iterator[Member]:
        for name, info in _walk(self._tar):
            yield Member(name, info.size, _skipped(info))

    def read(self, name: str) -> bytes:
        original, start, size = self._find(name)
        check_readable(name, original, size)
        try:
            file = _file(self._tar)
            file.seek(start)
            data = file.read(size)
        except BROKEN as error:
            raise UnreadablePictureError(name, f"cannot be unpacked: {reason_of(error)}") from None
        if len(data) < size:
            raise UnreadablePictureError(name, "cannot be unpacked: the archive ends in the middle of it")
        return data

    def close(self) -> None:
        self._tar.close()

    def __del__(self) -> None:
        self.close()  # a thread that ends leaves its open files to the collector

    def _find(self, name: str) -> tuple[str, int, int]:
        while name not in self._places:
            found = next(self._rest, None)
            if found is None:
                raise UnreadablePictureError(name, "no such file in the archive")
            self._places[found[0]] = (found[1].name, found[1].offset_data, found[1].size)
        return self._places[name]


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
