"""Files that are there complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bluebird.errors import OutputError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well.

    Until then, and for good where it does not end well, what was there before stays as it was.

    Raises:
        OutputError: no permission, no space, or a folder is in the way.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        to_disk(part)
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):  # the error on its way out says more than this one would
            part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and make its folder if there is none.

    Raises:
        OutputError: no permission, no space, or a folder is in the way.
    """
    with whole(path) as part:
        part.write_bytes(data)


def unwritable(path: Path, error: OSError) -> OutputError:
    """The one line for a file that cannot be written."""
    reason = error.strerror or error
    return OutputError(f"{str(path)!r}: cannot be written ({reason}); make room for it or choose another folder")


def to_disk(path: Path) -> None:
    """Wait until what was written to a file, or the entries of a folder, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
