"""How the process deals with memory that it has freed, or could free."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

_T = TypeVar("_T")

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of malloc.h


def keep_freed_memory() -> None:
    """Have freed memory used again instead of handed back to the system.

    A training step frees and asks for the same large blocks again and again. glibc gives each back, and
    the system hands out a zeroed one, page by page: more than a third of a small CNN's step on a CPU
    (`benchmarks/epoch_time.py`). Where there is no glibc, nothing is done.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def do_and_forget(job: Callable[[], _T]) -> _T:
    """Do one of several trainings, and hold nothing of it when the next begins.

    jsonargparse leaves its parser in a context variable, and the parser knows the command, its data and its model: the
    job has a context of its own. Trainer, model and data know each other, too, so they are collected.
    """
    try:
        return copy_context().run(job)
    finally:
        gc.collect()
