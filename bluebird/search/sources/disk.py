"""One file on disk: what the system tells of it, its bytes, and why they cannot be had."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from bluebird.errors import UnreadablePictureError
from bluebird.search.found import Found

MAX_FILE_BYTES = 2 << 30
"""Larger files are no pictures, and would only fill the memory."""


def found_file(path: Path, name: str) -> Found:
    """The file as it is now, skipped if it is a folder; size and time are 0 where it is gone or locked away."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in a listed path
        return Found(name, 0, 0)
    skipped = "a folder; list the files in it" if S_ISDIR(status.st_mode) else ""
    return Found(name, status.st_size, status.st_mtime_ns, skipped)


def is_regular(path: Path) -> bool:
    """`Path.is_file`, which however raises on names that are too long."""
    try:
        return S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def is_link(path: Path) -> bool:
    """`Path.is_symlink`, likewise."""
    try:
        return path.is_symlink()
    except (OSError, ValueError):
        return False


def read_file(path: Path, name: str) -> bytes:
    """All bytes of a regular file.

    Raises:
        UnreadablePictureError: anything else, an empty file, or one of more than `MAX_FILE_BYTES`.
    """
    try:
        # a pipe is told by its status: to open one would wake, or wait for, whoever writes into it
        _check(path.stat(), name)
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise UnreadablePictureError(name, "no such file") from None
    except (OSError, ValueError) as error:
        raise UnreadablePictureError(name, reason_of(error)) from None
    return not_empty(data, name)


def not_empty(data: bytes, name: str) -> bytes:
    """`data`, unless there is none."""
    if not data:
        raise UnreadablePictureError(name, "the file is empty (0 bytes)")
    return data


def reason_of(error: BaseException) -> str:
    """One line for what the system or a library said."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def _check(status: os.stat_result, name: str) -> None:
    if S_ISDIR(status.st_mode):
        raise UnreadablePictureError(name, "a folder")
    if not S_ISREG(status.st_mode):
        raise UnreadablePictureError(name, "not a regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise UnreadablePictureError(name, f"{status.st_size / 2**30:.1f} GiB, more than the limit of 2 GiB")
