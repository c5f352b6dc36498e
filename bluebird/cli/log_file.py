"""What a long run did, in a file, for whoever was asleep."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bluebird.errors import OutputError

LOG = logging.getLogger("bluebird.log_file")
"""Speaks into the file of the innermost `log_file`, and nowhere else."""


class _QuietHandler(logging.FileHandler):
    """A disk that is full costs the log its line; neither the run nor the terminal notices."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        pass


@contextmanager
def log_file(path: Path | None) -> Iterator[None]:
    """Append what `LOG` is told to `path`, a line each with its time, and at last what ended the block early.

    Args:
        path: the file; None: nothing is kept.

    Raises:
        OutputError: it cannot be written.
    """
    handler = _open(path) if path else logging.NullHandler()
    LOG.addHandler(handler)
    LOG.propagate = False
    LOG.setLevel(logging.INFO)
    try:
        yield
    except BaseException as error:
        LOG.error("%s: %s", type(error).__name__, " ".join(str(error).split()))
        raise
    finally:
        LOG.removeHandler(handler)
        with suppress(OSError):  # a disk that is full, again
            handler.close()


def _open(path: Path) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _QuietHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{str(path)!r}: cannot be written ({reason}); choose another --log-file") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler
