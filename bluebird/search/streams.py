"""Work in several threads at once, its results in order."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_A = TypeVar("_A")
_B = TypeVar("_B")


def in_streams(
    work: Callable[[_A], _B], items: Iterable[_A], streams: int, enter_thread: Callable[[], None]
) -> Iterator[_B]:
    """`work` of each item, in order, by `streams` threads that call `enter_thread` first.

    At most one item more than there are threads is under way. `items` is asked, and results are taken, in the
    caller's thread. What `work` raises is raised here, at its turn.
    """
    waiting: deque[Future[_B]] = deque()
    with _eager_threads(), ThreadPoolExecutor(streams, initializer=enter_thread) as threads:
        for item in items:
            waiting.append(threads.submit(work, item))
            while waiting and (len(waiting) > streams or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def _eager_threads() -> Iterator[None]:
    """Whoever waits for the interpreter gets it after half a millisecond: a network asks for it at each layer."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
