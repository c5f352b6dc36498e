"""Files that are opened, archives and videos, told from those that are read as they are."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bluebird.search.sources.archive import ArchiveSource
from bluebird.search.sources.disk import is_regular, read_file
from bluebird.search.sources.names import kind_of
from bluebird.search.sources.video import VideoSource

_INSIDE = re.compile("!|#t=")


def container(path: Path, name: str, every_seconds: float = 1.0) -> ArchiveSource | VideoSource | None:
    """The archive or video at `path`, told by its ending; None for any other file."""
    kind = kind_of(name)
    if not kind or not is_regular(path):
        return None
    return ArchiveSource(path, name) if kind == "archive" else VideoSource(path, name, every_seconds)


def outer_file(base: Path, name: str) -> ArchiveSource | VideoSource | None:
    """The archive or video in which a name like `a.zip!x.jpg` lies; None if it is no such name."""
    if not _INSIDE.search(name) or os.path.lexists(base / name):
        return None
    cuts = (name[: mark.start()] for mark in _INSIDE.finditer(name))
    outers = (container(base / outer, outer) for outer in cuts)
    return next((outer for outer in outers if outer), None)


def read_below(base: Path, name: str) -> bytes:
    """`Source.read` for names from the folder `base` down, as this package gives them."""
    path = base / name
    source = outer_file(base, name) or container(path, name)
    return source.read(name) if source else read_file(path, name)
