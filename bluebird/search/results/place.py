"""A file gets a new place: complete, never over another file, and never gone from the old one too early."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bluebird.errors import UnreadablePictureError
from bluebird.files import to_disk

_CHUNK = 1 << 20  # bytes
_PART = ".part"  # no collected file begins with a dot


@dataclass(frozen=True)
class Content:
    """The bytes of one picture: those of the plain file `origin`, or else `data` from somewhere inside a file."""

    name: str
    origin: Path
    data: bytes | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is a file of its own, no link, that may be moved."""
        return self.data is None and not self.origin.is_symlink()

    def size(self) -> int:
        """Bytes."""
        try:
            return self.origin.stat().st_size if self.data is None else len(self.data)
        except OSError as error:
            raise UnreadablePictureError(self.name, error.strerror or str(error)) from error

    def chunks(self) -> Iterator[bytes]:
        """All bytes, in order; errors of reading are told apart from those of whoever writes them."""
        if self.data is not None:
            yield self.data
            return
        try:
            with self.origin.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise UnreadablePictureError(self.name, error.strerror or str(error)) from error

    def equals(self, file: Path) -> bool:
        """Whether `file` is a regular file, and no link, with the same bytes."""
        if file.is_symlink() or not file.is_file() or file.stat().st_size != self.size():
            return False
        with file.open("rb") as other:
            return all(other.read(len(chunk)) == chunk for chunk in self.chunks())


def copy(content: Content, target: Path, *, lasting: bool = False) -> None:
    """Write a copy, with its old time of change; `lasting`: and wait until it would survive a power cut.

    Raises:
        UnreadablePictureError: it cannot be read, or grew or shrank meanwhile.
        OSError: it cannot be written, or `target` exists.
    """
    part = target.with_name(_PART)
    part.unlink(missing_ok=True)  # and never written through: what was left behind may be a second name of a find
    try:
        with part.open("xb") as file:
            for chunk in content.chunks():
                file.write(chunk)
        if part.stat().st_size != content.size():
            raise UnreadablePictureError(content.name, "it changed while it was copied")
        if content.data is None:
            times = content.origin.stat()
            os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
        if lasting:
            to_disk(part)
        _rename(part, target)
    finally:
        part.unlink(missing_ok=True)


def move(content: Content, target: Path) -> None:
    """Bring a plain file to `target`, and take it from its old place once it is safe in the new one.

    Raises:
        UnreadablePictureError: it cannot be read, or cannot be taken from its old place; then it is in both.
        OSError: it cannot be written, or `target` exists.
    """
    try:
        os.link(content.origin, target)
    except FileExistsError:
        raise
    except OSError:  # another disk, or one without links
        copy(content, target, lasting=True)
    remove_moved(content, target)


def remove_moved(content: Content, target: Path) -> None:
    """The second half of `move`: the old place is emptied after a last look at the new one."""
    if target.stat().st_size != content.size():
        raise UnreadablePictureError(content.name, "it changed while it was moved; it stays where it was as well")
    to_disk(target.parent)
    try:
        content.origin.unlink()
    except OSError as error:
        reason = f"copied, but it cannot be removed from its old place ({error.strerror})"
        raise UnreadablePictureError(content.name, reason) from error


def tidy(folder: Path) -> None:
    """Remove what an earlier run left unfinished."""
    (folder / _PART).unlink(missing_ok=True)


def _rename(part: Path, target: Path) -> None:
    """Give a file its name, but not if that is in use, which a plain rename would not notice."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        part.rename(target)
