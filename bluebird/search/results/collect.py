"""The finds themselves, copied, linked or moved into one folder, best first by their file names.

Nothing is ever overwritten, and nothing is removed before the same bytes are safe in their new place. A file
gets its name only when it is complete, so an interruption at any moment loses nothing, and the next run goes on.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Literal

from PIL import Image, UnidentifiedImageError

from bluebird.errors import UnreadablePictureError
from bluebird.files import unwritable
from bluebird.search.found import Source
from bluebird.search.results import place
from bluebird.search.results.find import Failure, Find
from bluebird.search.results.place import Content

How = Literal["copy", "symlink", "move"]
Outcome = Literal["copied", "linked", "moved", "already_there", "failed"]

_LONGEST_NAME = 240
"""Bytes; file systems take 255, and a number behind the name must fit as well."""


def collect(
    finds: Iterable[Find],
    source: Source,
    root: Path,
    folder: Path,
    how: How,
    on_failure: Callable[[Failure], None],
    *,
    at_least: float = 0.0,
    first: int | None = None,
) -> Counter[Outcome]:
    """Bring finds into `folder` as `0001_0.987_name.jpg` (rank, score, name), and count what became of them.

    Only a plain file can be linked or moved; members of archives, frames of videos and, with "move", links
    are copied instead. What is there already, byte for byte, is left alone; where another file has the name,
    a number is added.

    Args:
        finds: in the order of the ranking.
        source: reads what is no plain file below `root`.
        how: "copy", "symlink" or "move".
        on_failure: is told of each find that could not be brought; the others go on.
        at_least: the lowest score to take.
        first: the last rank to take; None: all.

    Raises:
        OutputError: the folder cannot be written to; what was brought so far is complete.
    """
    done: Counter[Outcome] = Counter()
    basket = _Basket(source, root, folder, how)
    for find in _chosen(finds, at_least, first):
        try:
            done[basket.bring(find)] += 1
        except UnreadablePictureError as error:
            done["failed"] += 1
            on_failure(Failure(find.name, error.reason, "failed"))
        except OSError as error:
            raise unwritable(folder, error) from error
    place.tidy(folder)
    return done


def _chosen(finds: Iterable[Find], at_least: float, first: int | None) -> Iterator[Find]:
    for find in finds:
        if first is not None and find.rank > first:
            return
        if find.score >= at_least:
            yield find


@dataclass
class _Basket:
    source: Source
    root: Path
    folder: Path
    how: How
    rank: int = 0
    used: set[Path] = field(default_factory=set)
    """Names given to finds of this rank; names begin with the rank, so no others can clash."""

    def bring(self, find: Find) -> Outcome:
        if find.rank != self.rank:
            self.rank, self.used = find.rank, set()
        try:
            content = self._content(find)
        except UnreadablePictureError:
            if self.how == "move" and self._was_moved(find):
                return "already_there"
            raise
        self.folder.mkdir(parents=True, exist_ok=True)
        for target in self._targets(find, content):
            if self._is_there(content, target):
                self.used.add(target)
                return self._finish(content, target)
            if not os.path.lexists(target):
                self.used.add(target)
                return self._place(content, target)
        raise AssertionError("names do not run out")

    def _content(self, find: Find) -> Content:
        origin = self.root / find.name
        if _is_file(origin):
            return Content(find.name, origin)
        return Content(find.name, origin, self.source.read(find.name))

    def _targets(self, find: Find, content: Content | None) -> Iterator[Path]:
        """The names that a find may have, the wished one first, without those of its siblings."""
        stem, suffix = _name(find, content)
        names = (f"{stem}_{number}{suffix}" if number > 1 else f"{stem}{suffix}" for number in count(1))
        return (target for name in names if (target := self.folder / name) not in self.used)

    def _was_moved(self, find: Find) -> bool:
        """Whether an earlier run has brought a find that is no longer in its old place."""
        target = next(self._targets(find, None))
        self.used.add(target)
        return target.is_file()

    def _is_there(self, content: Content, target: Path) -> bool:
        if self.how == "symlink" and content.data is None:
            return target.is_symlink() and target.readlink() == content.origin.absolute()
        return content.equals(target)

    def _finish(self, content: Content, target: Path) -> Outcome:
        """What is left to do for a find that is there already."""
        if self.how == "move" and content.is_plain:  # an earlier run was stopped between its two steps
            place.remove_moved(content, target)
        return "already_there"

    def _place(self, content: Content, target: Path) -> Outcome:
        if self.how == "symlink" and content.data is None:
            target.symlink_to(content.origin.absolute())
            return "linked"
        if self.how == "move" and content.is_plain:
            place.move(content, target)
            return "moved"
        place.copy(content, target)
        return "copied"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # what is a place inside an archive can be too long for a path
        return False


def _name(find: Find, content: Content | None) -> tuple[str, str]:
    """Stem and suffix of a find's new name, together at most `_LONGEST_NAME` bytes."""
    base = PurePosixPath(find.name.rpartition("/")[2])
    stem, suffix = base.stem, base.suffix
    if "#t=" in base.name and content and content.data is not None:  # a frame: `clip.mp4#t=12.0` holds a picture
        stem, suffix = base.name.replace("#t=", "_t"), _picture_suffix(content.data)
    stem = f"{find.rank:04d}_{find.score:.3f}_{stem}"
    while len(os.fsencode(stem + suffix)) > _LONGEST_NAME:
        stem, suffix = (stem[:-1], suffix) if len(stem) > 32 else (stem, suffix[:-1])
    return stem, suffix


def _picture_suffix(data: bytes) -> str:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return f".{(image.format or 'picture').lower()}".replace("jpeg", "jpg")
    except UnidentifiedImageError:
        return ".picture"
