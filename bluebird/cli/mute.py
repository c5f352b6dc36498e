"""Silence for libraries that say more than a user wants to know."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def mute_lightning() -> None:
    """Lightning tells of each seed and device as soon as it is imported; its errors are still told."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def mute_c_libraries() -> Iterator[None]:
    """Send what libpng, libtiff and libjpeg write to file descriptor 2 nowhere; `sys.stderr` still speaks.

    On odd files they make hundreds of remarks; what matters of them is the reason that a file gets.
    """
    if sys.stderr is not sys.__stderr__ or sys.stderr is None:  # someone listens already, and not there
        yield
        return
    sys.stderr.flush()
    spoken, terminal = sys.stderr, os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    with os.fdopen(terminal, "w", buffering=1, errors="backslashreplace", closefd=False) as sys.stderr:
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            sys.stderr = spoken
