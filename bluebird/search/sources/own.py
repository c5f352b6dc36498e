"""What a search writes itself, so that it never finds it, whatever lies where."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

OWN = "written by the search itself"

_NAMES = re.compile(
    r"(finds\.(csv|html|jsonl|parquet|megadetector\.json)|failures\.csv|status\.json"
    r"|sample\.(csv|html|json)|estimate\.json)(\.part)?"
    r"|finds\.(lock|sqlite(-\w+)?)"
    r"|\d{4,}_[01]\.\d{3}_.+|\.part",  # as `collect` names its copies
    re.DOTALL,
)


class Own:
    """The files and folders that the search writes to.

    A folder of them is passed over with everything in it. Where that cannot be, since what is searched is that
    folder itself or lies in it, and likewise in lists, its files are told by their names.

    Args:
        places: files and folders, without links in their paths.
        root: the folder that is searched, likewise; None where it is a list.
    """

    def __init__(self, places: Sequence[Path], root: Path | None = None) -> None:
        self._places = places
        self._apart = [place for place in places if root and not _lies_in(root, place)]
        self._lone = {place.name.lower() for place in places}

    def has_folder(self, path: str) -> bool:
        """Whether a folder below the root, without links in its path, is passed over."""
        return any(Path(path).is_relative_to(place) or _is_same(path, place) for place in self._apart)

    def has_file(self, path: str, *, is_link: bool) -> bool:
        """Whether a file, or what it is a link to, is the search's own."""
        return self._has(path) or (is_link and self._has(os.path.realpath(path)))

    def _has(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")  # asked of every file; `os.path.split` takes seven times as long
        if _NAMES.fullmatch(name) and any(_is_same(folder, place) for place in self._places):
            return True
        return name.lower() in self._lone and any(_is_same(path, place) for place in self._places)


def _lies_in(path: Path, place: Path) -> bool:
    # the disk is asked too, here and above, for it may not tell capital letters from small ones
    return path.is_relative_to(place) or any(_is_same(str(folder), place) for folder in (path, *path.parents))


def _is_same(path: str, place: Path) -> bool:
    try:
        return place.samefile(path)
    except (OSError, ValueError):
        return False
