"""What every source of pictures has in common: it says what there is, and reads one of them when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Found:
    """One file that a source found, before it is read.

    Args:
        name: what results call it: from the root down with forward slashes; `a.zip!in/x.jpg` inside an
            archive, `clip.mp4#t=12.0` for a frame.
        size: bytes.
        mtime_ns: time of the last change, in ns; what a signed number of 64 bits cannot hold, for some disks know
            other centuries, becomes the nearest that it can.
        skipped: why it is not to be read at all, e.g. "hidden file"; empty where it is.
    """

    name: str
    size: int
    mtime_ns: int
    skipped: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mtime_ns", max(-(2**63), min(self.mtime_ns, 2**63 - 1)))


class Source(Protocol):
    """A place with pictures; picklable, so that worker processes can read through it."""

    def __iter__(self) -> Iterator[Found]:
        """Every file once."""
        ...

    def read(self, name: str) -> bytes:
        """All bytes of one file, by the name that it was found under.

        Raises:
            UnreadablePictureError: it is gone, locked, broken or no regular file.
        """
        ...


_listeners: list[Callable[[], None]] = []


def going_on() -> None:
    """Said by a source on a long way to a file, as by one that unpacks gigabytes to get at it: it has not stalled."""
    for listener in _listeners:
        listener()


def when_going_on(listener: Callable[[], None]) -> None:
    """Call `listener`, in this process, whenever a source says so."""
    _listeners.append(listener)
