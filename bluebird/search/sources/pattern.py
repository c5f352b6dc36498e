"""Glob patterns, matched name by name on the way down a folder."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

States = frozenset[int]
"""Which parts of a pattern the next name may match."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What follows the fixed part of a glob pattern; matches the files that `glob.glob` would, recursively.

    Args:
        parts: between the slashes. `**` stands for any number of folders, none included. Only a part that
            starts with a dot matches names that do.
    """

    parts: tuple[str, ...]

    def start(self) -> States:
        return self._reach({0})

    def enter(self, states: States, folder: str) -> States:
        """Where the pattern stands inside of `folder`; empty where nothing below can match."""
        stay = {state for state in states if self._is_deep(state) and folder[0] != "."}
        step = {state + 1 for state in states if not self._is_deep(state) and self._matches(state, folder)}
        return self._reach(stay | step)

    def takes(self, states: States, file: str) -> bool:
        """Whether a file of this name is one of the pattern's."""
        last = len(self.parts) - 1
        return last in states and self._matches(last, file)

    def _reach(self, states: Iterable[int]) -> States:
        """Without those past the end, and with those behind a `**`, which may stand for nothing."""
        reached = {state for state in states if state < len(self.parts)}
        for state in range(len(self.parts) - 1):
            if state in reached and self._is_deep(state):
                reached.add(state + 1)
        return frozenset(reached)

    def _is_deep(self, state: int) -> bool:
        return self.parts[state] == "**"

    def _matches(self, state: int, name: str) -> bool:
        part = self.parts[state]
        return (name[0] != "." or part[0] == ".") and fnmatchcase(name, part)


def split_pattern(where: str) -> tuple[str, Pattern]:
    """The folder before the first part with `*`, `?` or `[` (`.` if there is none), and the rest."""
    parts = where.split("/")
    first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    root = "/".join(parts[:first]) or ("/" if where.startswith("/") else ".")
    return root, Pattern(tuple(part for part in parts[first:] if part))
