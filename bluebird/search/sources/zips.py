"""An open zip file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISLNK

from bluebird.errors import UnreadablePictureError
from bluebird.search.sources.disk import reason_of
from bluebird.search.sources.members import BROKEN, Member, Numbering, check_readable

_ENCRYPTED = 0x1
_MADE_ON_UNIX = 3


class Zip:
    """The members of a zip file, told by its directory at the end; each is read by itself, in any order."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        numbering = Numbering()
        self._infos = {numbering.unique(info.filename): info for info in file.infolist() if not info.is_dir()}

    @classmethod
    def open(cls, path: Path) -> Zip:
        return cls(zipfile.ZipFile(path))

    def __iter__(self) -> Iterator[Member]:
        for name, info in self._infos.items():
            yield Member(name, info.file_size, "a link inside an archive" if _is_link(info) else "")

    def read(self, name: str) -> bytes:
        info = self._infos.get(name)
        if info is None:
            raise UnreadablePictureError(name, "no such file in the archive")
        if info.flag_bits & _ENCRYPTED:
            raise UnreadablePictureError(name, "encrypted; unpack it with its password first")
        check_readable(name, info.filename, info.file_size)
        try:
            with self._file.open(info) as file:
                return file.read(info.file_size)  # never more than it claims; a false claim fails its checksum
        except BROKEN as error:
            raise UnreadablePictureError(name, f"cannot be unpacked: {reason_of(error)}") from None

    def close(self) -> None:
        self._file.close()


def _is_link(info: zipfile.ZipInfo) -> bool:
    return info.create_system == _MADE_ON_UNIX and S_ISLNK(info.external_attr >> 16)
