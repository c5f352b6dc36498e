"""One search at a time in one folder."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from bluebird.errors import UsageError


class Lock:
    """Held by this process until it is released or the process ends, however it ends.

    Raises:
        UsageError: another process holds it; the message names that process.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b", buffering=0)  # nothing is left to be written when a full disk refuses it
        try:
            self._take(path)
        except BaseException:
            self._file.close()
            raise

    def _take(self, path: Path) -> None:
        import fcntl  # of Unix

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().decode("utf-8", "replace").strip() or "another process"
            raise UsageError(
                f"{str(path.parent)!r}: is searched into by {holder} now; wait for it, or choose another --out"
            ) from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {platform.node()}".encode())

    def release(self) -> None:
        self._file.truncate(0)
        self._file.close()
