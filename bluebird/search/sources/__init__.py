"""Where the pictures come from: folders, patterns, lists, archives, videos, other machines."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from bluebird.errors import DataError, UsageError
from bluebird.pixels.walk import check_folder
from bluebird.search.found import Found, Source
from bluebird.search.sources.archive import ArchiveSource, is_archive
from bluebird.search.sources.disk import reason_of
from bluebird.search.sources.folder import FolderSource
from bluebird.search.sources.listing import ListSource, read_csv, read_stdin, read_text
from bluebird.search.sources.names import kind_of
from bluebird.search.sources.pattern import split_pattern
from bluebird.search.sources.remote import open_remote
from bluebird.search.sources.video import VideoSource

__all__ = ["Found", "Source", "base_of", "open_source"]

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def open_source(where: str, *, every_seconds: float = 1.0, exclude: Sequence[Path] = ()) -> Source:
    """The pictures of one place, whatever it is.

    Args:
        where: a folder; a glob pattern (`photos/**/*.jpg`); a list of paths as `.txt` or `.csv`; `-` for such a
            list on standard input; a zip or tar file; a video; a URL; or a single picture.
        every_seconds: from one frame of a video to the next, at least a thousandth.
        exclude: folders and files that the search itself writes to; it never finds what it wrote there (see `Own`).

    Raises:
        DataError: nothing is there, or it is of no use.
        UsageError: `every_seconds` is too small, or a URL needs a library that is not installed.
    """
    if not every_seconds >= 0.001:
        raise UsageError(f"a frame every {every_seconds} seconds: expected at least 0.001")
    if not where:
        raise DataError("'': an empty path; perhaps a variable of the shell that is not set")
    excluded = tuple(Path(place).resolve() for place in exclude)
    if where == "-":
        return ListSource(Path.cwd(), _unique(read_stdin()), every_seconds, excluded)
    if _URL.match(where):
        return open_remote(where, excluded)
    try:
        return _open_path(Path(where).absolute(), every_seconds, excluded)
    except (FileNotFoundError, NotADirectoryError):
        return _open_pattern(where, every_seconds, excluded)
    except (OSError, ValueError) as error:
        raise DataError(f"{where!r}: cannot be opened ({reason_of(error)}); check the path") from None


def base_of(source: Source, root: str) -> str:
    """Where the names of a source start from: for a pattern or a list that is not `root`, at which it was opened."""
    if isinstance(source, FolderSource):
        return str(source.root)
    return str(source.base) if isinstance(source, ListSource) else root


def _open_path(path: Path, every_seconds: float, excluded: tuple[Path, ...]) -> Source:
    mode = path.stat().st_mode
    if S_ISDIR(mode):
        check_folder(path)
        return FolderSource(path, every_seconds, excluded)
    if S_ISREG(mode):
        return _open_file(path, every_seconds, excluded)
    raise DataError(f"{str(path)!r}: neither a folder nor a regular file; a list from a pipe is read as '-'")


def _open_file(path: Path, every_seconds: float, excluded: tuple[Path, ...]) -> Source:
    match path.suffix.lower():
        case ".txt":
            return ListSource(path.parent, _unique(read_text(path)), every_seconds, excluded)
        case ".csv":
            return ListSource(path.parent, _unique(read_csv(path)), every_seconds, excluded)
    if kind_of(path.name) == "video":
        return VideoSource(path, path.name, every_seconds)
    if is_archive(path):
        return ArchiveSource(path, path.name)
    return ListSource(path.parent, (path.name,), every_seconds, excluded)


def _open_pattern(where: str, every_seconds: float, excluded: tuple[Path, ...]) -> Source:
    if not glob.has_magic(where):
        raise DataError(f"{where!r}: no such folder, file or pattern; check the path")
    root, pattern = split_pattern(where)
    source = FolderSource(Path(root).absolute(), every_seconds, excluded, pattern)
    if next(iter(source), None) is None:
        raise DataError(f"{where!r}: no file matches the pattern; check it, and that quotes keep it from the shell")
    return source


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
