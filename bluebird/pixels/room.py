"""The cache keeps within bounds: what was used longest ago goes, decoded pictures never while they are in use.

A run holds a shared lock on each entry that it has mapped, and a lock of its own on what it is building; both end with
the process, however it ends. What goes is locked first, so that it is nobody's. A file that is mapped would outlive
its name anyway, but its space would not be free, and the next run would decode all over again. What networks saw in the
pictures, their features, lies there too; a run reads such a file at once and whole, so it may go at any time.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from bluebird.errors import UsageError

BOUND = "BLUEBIRD_CACHE_GB"
FEATURES = "features"
"""The folder of the cache in which features are kept, each as a file."""
_DEFAULT_BYTES, _DEFAULT_SHARE = 20e9, 0.1  # of the disk
_ENTRY = re.compile(r"[0-9a-f]{32}")
_FRESH_SECONDS = 60  # in which an entry may not have been locked yet


def bound_bytes(cache_dir: Path) -> float:
    """How much the cache may hold: $BLUEBIRD_CACHE_GB, or 20 GB or a tenth of the disk, whichever is less.

    Raises:
        UsageError: that is not a number of at least 0.
    """
    given = os.environ.get(BOUND)
    if not given:
        return min(_DEFAULT_BYTES, _DEFAULT_SHARE * shutil.disk_usage(cache_dir).total)
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise UsageError(
            f"{BOUND} is {given!r}; expected how many GB of pictures and features to keep, a number from 0 up"
        )
    return value * 1e9


def hold(folder: Path) -> BinaryIO | None:
    """An open file by which the entry in `folder` is in use until it is closed; None if there is no such entry."""
    index = folder / "index.json"
    try:
        file = index.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return None
    with suppress(OSError):  # a file system without locks, on which nothing is removed
        _lock(file, shared=True, wait=True)
    if not os.fstat(file.fileno()).st_nlink:  # it went while we waited
        file.close()
        return None
    with suppress(OSError):  # a cache that others filled and we only read
        os.utime(index)
    return file


def claim(file: IO[Any]) -> None:
    """What is being built under this file is ours until it is closed."""
    with suppress(OSError):
        _lock(file, shared=False, wait=True)


def make_room(cache_dir: Path, newest: Path | None = None) -> None:
    """Remove what killed runs left, and the entries used longest ago until all together are within the bound.

    Pictures in use stay, and so does `newest`, however large it is. Anything else in the folder is none of ours.

    Raises:
        UsageError: as `bound_bytes`.
    """
    for partial in cache_dir.glob("partial-*"):
        _remove(partial, "pixels.u8")
    for part in (cache_dir / FEATURES).glob("*.part"):
        if time.time() - _last_used(part) > _FRESH_SECONDS:
            _unlink(part)
    entries = [entry for entry in cache_dir.iterdir() if _ENTRY.fullmatch(entry.name)]
    entries += (cache_dir / FEATURES).glob("*.safetensors")
    excess = sum(map(_size, entries)) - bound_bytes(cache_dir)
    for entry in sorted(entries, key=_last_used):
        if excess <= 0:
            return
        if entry != newest:
            size = _size(entry)
            gone = _remove(entry, "index.json") if entry.is_dir() else _unlink(entry)
            excess -= size if gone else 0


def _unlink(file: Path) -> bool:
    try:
        file.unlink()
    except OSError:  # gone already, or not ours to remove
        return False
    return True


def _remove(entry: Path, locked: str) -> bool:
    """Whether it was nobody's, and is gone."""
    try:
        if time.time() - entry.stat().st_mtime < _FRESH_SECONDS and locked == "pixels.u8":
            return False
        with (entry / locked).open("rb") as file:
            _lock(file, shared=False, wait=False)
            aside = entry.with_name(f"partial-{entry.name}-{os.getpid()}")
            entry.rename(aside)  # at once, so that nobody meets half of it
            shutil.rmtree(aside)
    except OSError:  # in use, gone already, or not ours to remove
        return False
    return True


def _size(entry: Path) -> int:
    try:
        file = entry / "pixels.u8" if entry.is_dir() else entry
        return file.stat().st_blocks * 512  # what it takes: a file may have holes
    except OSError:
        return 0


def _last_used(entry: Path) -> float:
    try:
        return (entry / "index.json" if entry.is_dir() else entry).stat().st_mtime
    except OSError:
        return 0.0


def _lock(file: IO[Any], shared: bool, wait: bool) -> None:
    try:
        import fcntl  # of Unix
    except ImportError as error:
        raise OSError("no locks here") from error
    fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
