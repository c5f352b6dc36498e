"""Everything that can go wrong for a user, on one screen.

`bluebird.cli` turns each of these into one line on stderr and the exit code below; nothing else in
the package prints an error or calls `sys.exit`.
"""

from __future__ import annotations

import os


class BluebirdError(Exception):
    """A run cannot go on, for a reason the user can mend. The message says what, where and what to do."""

    exit_code = 2


class UsageError(BluebirdError):
    """A command line or a config asks for something that does not exist or does not fit."""


class DataError(BluebirdError):
    """A folder, a manifest or its labels cannot be trained on."""


class UnreadablePictureError(DataError):
    """One file cannot be turned into pixels. `path` names it, `reason` says why."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)!r}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadablePictureError], tuple[str | os.PathLike[str], str]]:
        return type(self), (self.path, self.reason)  # so that it crosses from a worker process


class TrainingError(BluebirdError):
    """A training went astray: its loss is no longer a number."""


class BundleError(BluebirdError):
    """A model bundle or checkpoint is truncated, altered, foreign or missing."""


class OutputError(BluebirdError):
    """A result cannot be written: no permission, no space, or something else is in the way."""


_NO_MEMORY = ("out of memory", "can't allocate memory", "could not create a primitive", "bad_alloc",
              "CUDNN_STATUS_NOT_SUPPORTED")  # fmt: skip
"""What torch, oneDNN, C++ and cuDNN say, on CUDA, MPS and a CPU."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was asked for which there is not, on any device."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
