"""A folder as a source, with everything below it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from bluebird.pixels.walk import check_folder, is_hidden_name, passes_hidden
from bluebird.search.found import Found
from bluebird.search.sources.names import HIDDEN, UNLISTED, kind_of
from bluebird.search.sources.opened import container, read_below
from bluebird.search.sources.own import Own
from bluebird.search.sources.pattern import Pattern, States

_INSIDE = {"archive": "!", "video": "#"}  # what the names of members and frames go on with
_ANYWHERE: States = frozenset()


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Every file below a folder, in code-point order of the whole names; one folder at a time is in memory.

    Archives and videos are opened: what they hold comes in their place, in their own order. Pipes, sockets and
    broken links come like files. Links to folders are followed, but no folder is searched twice: one that lies
    below the root is searched under its own name, any other under the first that leads to it. A folder that is
    not entered comes with a slash at its end, skipped and with the reason.

    Args:
        root: absolute.
        every_seconds: from one frame of a video to the next.
        exclude: what the search writes to, without links in the paths; passed over as `Own` tells it.
        pattern: which files to take; None for all. Hidden ones come skipped, unless a pattern asks for them.
    """

    root: Path
    every_seconds: float
    exclude: tuple[Path, ...] = ()
    pattern: Pattern | None = None

    def __iter__(self) -> Iterator[Found]:
        """
        Raises:
            DataError: the folder is not there (any more), or cannot be listed.
        """
        check_folder(self.root)
        return _Walk(self).run()

    def read(self, name: str) -> bytes:
        return read_below(self.root, name)


class _Level(NamedTuple):
    """A folder to list."""

    path: str  # without links
    name: str  # from the root down, with a slash at its end; empty for the root
    hidden: bool
    linked: bool  # a link leads to it, or to a folder above it
    states: States


class _Walk:
    """One pass, which remembers where links have led."""

    def __init__(self, source: FolderSource) -> None:
        self._source = source
        self._pattern = source.pattern
        self._root = source.root.resolve()
        self._own = Own(source.exclude, self._root)
        self._linked: dict[str, list[States]] = {}

    def run(self) -> Iterator[Found]:
        states = self._pattern.start() if self._pattern else _ANYWHERE
        levels = [self._list(_Level(str(self._root), "", False, False, states))]
        while levels:  # a stack, for folders may be nested deeper than functions
            for item in levels[-1]:
                if isinstance(item, _Level):
                    levels.append(self._list(item))
                    break
                yield item
            else:
                levels.pop()

    def _list(self, level: _Level) -> Iterator[Found | _Level]:
        try:
            with os.scandir(level.path) as entries:
                ordered = sorted(((_key(entry, level), entry) for entry in entries), key=itemgetter(0))
        except OSError as error:
            yield Found(level.name, 0, 0, f"{UNLISTED}: {error.strerror}")
            return
        neighbours = ["", *(key for key, _ in ordered), ""]
        for place, (key, entry) in enumerate(ordered):
            mark = key[len(entry.name) :]
            if mark == "/":
                yield from self._folder(level, entry)
            elif self._passes_over(level, entry):
                continue
            elif mark:
                confused = neighbours[place] == key or neighbours[place + 2].startswith(key)
                yield from self._container(level, entry, confused)
            else:
                yield _found(entry, level.name + entry.name, HIDDEN if self._is_hidden(level, entry) else "")

    def _passes_over(self, level: _Level, entry: os.DirEntry[str]) -> bool:
        if self._pattern and not self._pattern.takes(level.states, entry.name):
            return True
        return self._own.has_file(entry.path, is_link=entry.is_symlink())

    def _container(self, level: _Level, entry: os.DirEntry[str], confused: bool) -> Iterator[Found]:
        name = level.name + entry.name
        source = container(Path(entry.path), name, self._source.every_seconds)
        if source and confused:
            yield _found(entry, name, "not opened: a file beside it is named like a part of it; rename that one")
        elif source:
            yield from source
        else:
            yield _found(entry, name)

    def _folder(self, level: _Level, entry: os.DirEntry[str]) -> Iterator[Found | _Level]:
        states = self._pattern.enter(level.states, entry.name) if self._pattern else _ANYWHERE
        path = str(Path(entry.path).resolve()) if entry.is_symlink() else entry.path
        if (self._pattern and not states) or self._own.has_folder(path):
            return
        name, hidden = f"{level.name}{entry.name}/", self._is_hidden(level, entry)
        linked = level.linked or entry.is_symlink()
        if hidden and entry.is_symlink():
            yield Found(name, 0, 0, HIDDEN)
        elif linked and self._is_searched(path, states):
            yield Found(name, 0, 0, "a folder that is searched under another name")
        else:
            yield _Level(path, name, hidden, linked, states)

    def _is_hidden(self, level: _Level, entry: os.DirEntry[str]) -> bool:
        asked_for = self._pattern is not None and entry.name[0] == "."
        return level.hidden or (is_hidden_name(entry.name) and not asked_for)

    def _is_searched(self, path: str, states: States) -> bool:
        """Whether a folder that a link leads to is searched elsewhere, for at least the same files."""
        if Path(path).is_relative_to(self._root) and self._covers(Path(path).relative_to(self._root), states):
            return True
        earlier = self._linked.setdefault(path, [])
        if any(states <= other for other in earlier):
            return True
        earlier.append(states)
        return False

    def _covers(self, below: Path, states: States) -> bool:
        if self._pattern is None:
            return not passes_hidden(below.as_posix())
        own = self._pattern.start()
        for part in below.parts:
            own = self._pattern.enter(own, part)
        return states <= own


def _key(entry: os.DirEntry[str], level: _Level) -> str:
    """The name, with what follows it in the names below or inside: sorted by it, all names come in order."""
    try:
        if entry.is_dir():
            return f"{entry.name}/"
    except OSError:  # a link to itself
        return entry.name
    if level.hidden or is_hidden_name(entry.name):
        return entry.name
    return entry.name + _INSIDE.get(kind_of(entry.name), "")


def _found(entry: os.DirEntry[str], name: str, skipped: str = "") -> Found:
    try:
        status = entry.stat()
    except OSError:  # a broken link, or gone
        return Found(name, 0, 0, skipped)
    return Found(name, status.st_size, status.st_mtime_ns, skipped)
