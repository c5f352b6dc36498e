"""Open archives and videos, kept from one read to the next."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar


class _Closable(Protocol):
    def close(self) -> None: ...


_T = TypeVar("_T", bound=_Closable)
_Key = tuple[Path, int, int, int, int]


class Handles(Generic[_T]):
    """The last few files that a thread read from, open.

    Each thread of each process has its own: a position in a file cannot be shared, and a thread that goes
    through a compressed archive in order never has to go back. A file that was replaced is opened anew.

    Args:
        open_file: opens a path.
        keep: how many stay open for each thread.
    """

    def __init__(self, open_file: Callable[[Path], _T], keep: int) -> None:
        self._open_file = open_file
        self._keep = keep
        self._local = threading.local()

    def get(self, path: Path) -> _T:
        """The open file; raises what `open_file` raises, and `OSError` where nothing is there."""
        status = path.stat()
        # a forked process has its own number, so it never moves a position that it shares with its parent
        key = (path, os.getpid(), status.st_ino, status.st_size, status.st_mtime_ns)
        kept: dict[_Key, _T] = self._local.__dict__.setdefault("kept", {})
        kept[key] = kept.pop(key) if key in kept else self._open_file(path)  # the latest is the last
        while len(kept) > self._keep:
            kept.pop(next(iter(kept))).close()
        return kept[key]
