"""A zip or tar file as a source: its members are read in memory, never unpacked to disk."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from bluebird.errors import UnreadablePictureError
from bluebird.pixels.walk import passes_hidden
from bluebird.search.found import Found
from bluebird.search.sources.disk import found_file, reason_of
from bluebird.search.sources.handles import Handles
from bluebird.search.sources.members import BROKEN, Members
from bluebird.search.sources.names import HIDDEN, kind_of
from bluebird.search.sources.tars import Tar
from bluebird.search.sources.zips import Zip

_USTAR = slice(257, 262)  # where every tar of the last decades says that it is one


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """The members of one archive, as `name!path/in/archive.jpg`, in the archive's order.

    Read them in that order: any other is slow in a compressed tar (see `Tar`). Their time is the archive's, so
    a changed archive is seen as changed. A name inside is only a name, wherever it points to. An archive that
    is broken, from its start or from some member on, is itself found, under `name`; to read it tells why.

    Args:
        path: the archive.
        name: what results call it.
    """

    path: Path
    name: str

    def __iter__(self) -> Iterator[Found]:
        archive = found_file(self.path, self.name)
        empty = True
        try:
            with closing(_open(self.path)) as members:
                for member in members:
                    empty = False
                    skipped = member.skipped or (HIDDEN if passes_hidden(member.name) else "")
                    yield Found(f"{self.name}!{member.name}", member.size, archive.mtime_ns, skipped)
        except UnreadablePictureError:
            yield archive
        else:
            if empty:
                yield replace(archive, skipped="an archive without files")

    def read(self, name: str) -> bytes:
        if name == self.name:
            raise UnreadablePictureError(name, self._fault())
        try:
            return _HANDLES.get(self.path).read(name.removeprefix(f"{self.name}!"))
        except UnreadablePictureError as error:
            raise UnreadablePictureError(name, error.reason) from None
        except OSError as error:
            raise UnreadablePictureError(name, reason_of(error)) from None

    def _fault(self) -> str:
        """Why the archive as a whole was found: it is gone through once more, to where it breaks."""
        try:
            with closing(_open(self.path)) as members:
                for _ in members:
                    pass
        except UnreadablePictureError as error:
            return error.reason
        return "an archive that opens again, whose files are found by themselves in the next search"


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar by its content, or by its ending, and then perhaps a broken one."""
    if kind_of(path.name) == "archive":
        return True
    try:
        with closing(_open(path)) as members:
            return next(iter(members), None) is not None  # a file of zeros is a tar without files
    except UnreadablePictureError:
        return False


def _open(path: Path) -> Members:
    try:
        return Zip.open(path) if _is_zip(path) else Tar.open(path)
    except BROKEN as error:
        raise UnreadablePictureError(path, f"broken archive: {_no_archive(error, path)}") from None


def _is_zip(path: Path) -> bool:
    """A tar whose last member is a zip ends like a zip, so the start is asked first."""
    with path.open("rb") as file:
        is_tar = file.read(_USTAR.stop)[_USTAR] == b"ustar"
    return not is_tar and zipfile.is_zipfile(path)


def _no_archive(error: BaseException, path: Path) -> str:
    if isinstance(error, tarfile.ReadError):
        return "neither a whole zip nor a tar file" if path.stat().st_size else "the file is empty (0 bytes)"
    return reason_of(error)


_HANDLES = Handles(_open, keep=4)
