"""The files below a folder, in an order that depends on nothing but their names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bluebird.errors import DataError

_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
"""Names, in small letters, of what Windows and macOS leave in every folder, besides those with a dot."""


def check_folder(folder: Path) -> None:
    """Raise `DataError` unless `folder` is a folder that can be listed."""
    try:
        os.scandir(folder).close()
    except FileNotFoundError:
        raise DataError(f"{str(folder)!r}: no such folder; check the path") from None
    except NotADirectoryError:
        raise DataError(f"{str(folder)!r}: a file, where a folder was expected") from None
    except OSError as error:
        raise DataError(f"{str(folder)!r}: cannot be listed ({error.strerror}); check its rights") from None


def walk_files(folder: Path) -> Iterator[Path]:
    """Every entry below `folder` that is not itself a folder, sorted by name, folder by folder.

    Links to folders are followed, each real folder once, so a loop of links ends. Broken links, pipes,
    sockets and folders that cannot be listed are yielded like files: whoever reads them says why it cannot.

    Raises:
        DataError: `folder` itself is missing or cannot be listed.
    """
    check_folder(folder)
    yield from _walk(folder, set())


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = folder.stat()
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in ordered:
        if _is_folder(entry):
            yield from _walk(Path(entry.path), seen)
        else:
            yield Path(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that cannot be entered
        return False


def is_hidden_name(name: str) -> bool:
    """Whether one name, without folders, starts with a dot or is a system's own litter."""
    return name[:1] == "." or name.lower() in _LITTER


def passes_hidden(path: str) -> bool:
    """Whether any part of a path with forward slashes is hidden; `.` and `..` are not."""
    return any(is_hidden_name(part) for part in path.split("/") if part not in (".", ".."))


def is_hidden(path: Path, root: Path) -> bool:
    """Whether the path, from `root` down, passes through a hidden name."""
    return passes_hidden(path.relative_to(root).as_posix())
