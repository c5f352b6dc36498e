"""Silence for libraries that write past Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
