"""What SQLite and the system say against a file of SQLite's, in one line."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bluebird.errors import OutputError

_LEAST_FREE = 64 << 10  # bytes; the log's index takes 32 KiB at a time


@contextmanager
def in_one_line(path: Path) -> Iterator[None]:
    """Errors of the block as `OutputError`, which names `path` and the cause."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise OutputError(
            f"{str(path)!r}: cannot be used ({_reason(error, path)}); mend that, then run it again"
        ) from error


def _reason(error: sqlite3.Error | OSError, path: Path) -> str:
    """SQLite calls it "disk I/O error" when its log finds no room; the user wants to know that."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    is_io = getattr(error, "sqlite_errorname", "").startswith("SQLITE_IOERR")
    if is_io and path.parent.is_dir() and shutil.disk_usage(path.parent).free < _LEAST_FREE:
        return "the disk is full"
    return str(error)
