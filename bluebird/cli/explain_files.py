"""Which pictures `bluebird explain` goes through, and what the files that it writes of them are called."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bluebird.errors import DataError, OutputError, UsageError
from bluebird.pixels.walk import is_hidden, walk_files

SIGN = "bluebird explain"
"""Stands at the beginning of each PNG file that is written, so that no other file is ever written over."""

_STEM_CHARACTERS = 60  # of up to 4 bytes, and a name with its number and ending has at most 255 bytes


def files_of(pictures: Sequence[Path], limit: int, out: Path) -> tuple[list[Path], list[str]]:
    """The files that are meant by files and folders, and a remark on each folder that holds more than `limit`.

    Of a folder, hidden files are left out, and those in `out`, which an earlier run wrote.

    Raises:
        DataError: one does not exist, or there is none.
        UsageError: one lies in `out`.
    """
    files: list[Path] = []
    notes: list[str] = []
    for place in pictures:
        found = _found(place, out)
        if place.is_dir() and len(found) > limit:
            notes.append(f"{limit:,} of the {len(found):,} files of {str(place)!r}, spread evenly; --limit takes more")
            found = [found[round(row)] for row in np.linspace(0, len(found) - 1, limit)]
        files += found
    if not files:
        raise DataError(f"{str(pictures[0])!r}: no picture there; name pictures or folders that hold some")
    return list(dict.fromkeys(files)), notes


def _found(place: Path, out: Path) -> list[Path]:
    own = Path(os.path.realpath(out))
    if Path(os.path.realpath(place)).is_relative_to(own):
        raise UsageError(f"--out {str(out)!r}: holds {str(place)!r}, which is to be explained; choose another")
    if place.is_dir():
        files = (path for path in walk_files(place) if not is_hidden(path, place))
        return [path for path in files if not Path(os.path.realpath(path)).is_relative_to(own)]
    if not place.exists():
        raise DataError(f"{str(place)!r}: no such file or folder; check the path")
    return [place]


def panels_of(files: Sequence[Path], out: Path) -> dict[Path, Path]:
    """A PNG file in `out` for each picture, called as it is; numbered where two would have one name.

    Raises:
        OutputError: something else stands there.
    """
    taken: set[str] = set()
    panels = {path: out / _free_name(path.stem[:_STEM_CHARACTERS], taken) for path in files}
    for panel in panels.values():
        if os.path.lexists(panel) and not _is_ours(panel):
            raise OutputError(f"{str(panel)!r}: in the way, and not written by this command; choose another --out")
    return panels


def _free_name(stem: str, taken: set[str]) -> str:
    name, number = f"{stem}.png", 1
    while name.casefold() in taken:  # some disks do not tell capital letters from small ones
        number += 1
        name = f"{stem}-{number}.png"
    taken.add(name.casefold())
    return name


def _is_ours(panel: Path) -> bool:
    try:
        with panel.open("rb") as file:
            return SIGN.encode() in file.read(100)
    except OSError:
        return False
