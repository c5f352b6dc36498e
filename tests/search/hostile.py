"""Sources for real worker processes: files, and pictures that do to their reader what a broken decoder would.

They stand in a file of their own, for a worker imports it: without pytest and torch it starts at once.
"""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bluebird.errors import UnreadablePictureError
from bluebird.pixels.decode import read_file
from bluebird.search.found import Found, going_on


class Files:
    """Files by their path."""

    def __iter__(self) -> Iterator[Found]:
        return iter(())

    def read(self, name: str) -> bytes:
        return read_file(name)


@dataclass
class Hostile:
    """Names are `KIND/NUMBER`; a good one is a plain picture of the colour that `colour_of` gives its number."""

    marks: Path | None = None

    def __iter__(self) -> Iterator[Found]:
        return iter(())

    def read(self, name: str) -> bytes:
        kind, number = name.split("/")
        return bytes(getattr(self, kind)(int(number)))

    def good(self, number: int) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (16 + number % 3, 16), colour_of(number)).save(file, "PNG")
        return file.getvalue()

    def text(self, number: int) -> bytes:
        return b"no picture"

    def gone(self, number: int) -> bytes:
        raise UnreadablePictureError(f"gone/{number}", "no such file")

    def odd(self, number: int) -> bytes:
        raise LookupError("no such\nnumber")

    def crash(self, number: int) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    def leave(self, number: int) -> None:
        os._exit(5)

    def sleep(self, number: int) -> None:
        time.sleep(1000)

    def approach(self, number: int) -> bytes:
        """A long way, of which each step is short."""
        for _ in range(10):
            time.sleep(0.3)
            going_on()
        return self.good(number)

    def compute(self, number: int) -> None:
        pow(3, 10**10)  # one step of Python's: no other thread of the process ever runs

    def deafen(self, number: int) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        time.sleep(1000)

    def devour(self, number: int) -> None:
        held = []
        while True:
            held.append(bytearray(2**26))

    def stumble(self, number: int) -> bytes:
        """Crashes the first time and is good the second."""
        assert self.marks is not None
        mark = self.marks / str(number)
        if not mark.exists():
            mark.touch()
            self.crash(number)
        return self.good(number)


@dataclass
class Unborn(Hostile):
    """A source that does not arrive in the worker: it does what `kind` says as it is unpickled."""

    kind: str = "leave"

    def __setstate__(self, state: dict[str, str]) -> None:
        getattr(self, state["kind"])(0)


def colour_of(number: int) -> tuple[int, int, int]:
    return (number * 7 % 256, number * 31 % 256, number // 8 % 256)
