"""How many pictures to ask the network about at once: found out by asking."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, repeat

_SIZES = (16, 32, 64)
_FIRST = 16
_NEARLY = 1.03
"""A smaller batch that is nearly as quick needs less memory."""


class BatchSize:
    """An endless iterator of sizes: each of several a few times, then for ever the one that took least for a picture.

    What is quickest depends on network, machine and library; it costs nothing to try on the pictures themselves,
    for their scores are the same. Until enough is known, the size is 16.

    Args:
        fixed: this size always; 0: as above.
        tries: of each size.
    """

    def __init__(self, fixed: int = 0, tries: int = 4) -> None:
        self._fixed = fixed
        self._tries = tries
        self._plan = iter(() if fixed else chain.from_iterable(repeat(size, tries) for size in _SIZES))
        self._seconds: dict[int, list[float]] = defaultdict(list)
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return self._fixed or next(self._plan, None) or self.best

    def note(self, size: int, seconds: float) -> None:
        """So long took `size` pictures; from any thread."""
        with self._lock:
            if size in _SIZES and len(self._seconds[size]) < self._tries:
                self._seconds[size].append(seconds)

    @property
    def best(self) -> int:
        """What is known to be quickest by now."""
        if self._fixed:
            return self._fixed
        with self._lock:
            if any(len(self._seconds[size]) < self._tries for size in _SIZES):
                return _FIRST
            each = {size: sum(self._seconds[size]) / size for size in _SIZES}
        return next(size for size in _SIZES if each[size] <= _NEARLY * min(each.values()))
