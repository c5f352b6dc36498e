"""One decoding process as its pool sees it: started, asked, heard, and ended."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from torch import Tensor

from bluebird.errors import BluebirdError
from bluebird.pixels.quick import Facts, Loaded, square
from bluebird.search.worker import NOTHING, Answer, Orders, Slots, Task

_BOOT = "import sys; sys.path[:] = sys.argv[3:]; from bluebird.search.worker import main; main()"
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_TOP_PAD_": str(2**26),  # glibc keeps this much, where it would ask for each picture's memory anew
}
"""With memory kept, small photos take half the time."""

Result = tuple[Tensor, Facts] | bytes | str
"""A square uint8 (3, S, S) with the facts of its file; the digest of a known content; or why there is none."""


@dataclass(slots=True)
class Chunk:
    """Names that travel together, and what came of them.

    Args:
        first: the number of the first name, among all that a pool was ever asked for.
        names: in order; their numbers follow from `first`.
        results: by number.
        deaths: how many workers died of the picture of this number.
    """

    first: int
    names: list[str]
    results: dict[int, Result] = field(default_factory=dict)
    deaths: Counter[int] = field(default_factory=Counter)

    def numbers(self) -> range:
        return range(self.first, self.first + len(self.names))

    def missing(self) -> list[int]:
        return [number for number in self.numbers() if number not in self.results]


class Worker:
    """The pool's end of one process: it may be asked for two chunks at a time, so that it never waits for the next.

    It is a fresh interpreter, not a fork: it inherits no thread, no lock and no torch, and never imports the main
    module of whoever started the pool. It has a process group of its own: Ctrl-C and Ctrl-Z reach the pool alone.
    """

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection, slots: Slots, image_size: int) -> None:
        self.connection = connection
        self.slots = slots
        self.pending: deque[Chunk] = deque()
        self.pid = process.pid
        self._process = process
        self._image_size = image_size
        self._halves = deque([0, Slots.chunk_size(image_size)])  # where each half of the slots begins; the next first
        self._seen = ((NOTHING, 0), 0.0)

    @classmethod
    def start(cls, orders: Orders) -> Worker:
        """A worker that will soon be ready; it can be asked at once.

        Raises:
            BluebirdError: the system refuses another process.
        """
        try:
            ours, theirs = Pipe()
            descriptor = _nameless_file()
            os.truncate(descriptor, Slots.size(orders.image_size))
            slots = Slots(descriptor, orders.image_size)
            slots.at = NOTHING
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(theirs.fileno()), str(descriptor), *map(str, sys.path)],
                env=os.environ | _ENVIRONMENT,
                pass_fds=(theirs.fileno(), descriptor),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # where libpng, libtiff and libjpeg remark on odd files
                process_group=0,
            )
        except OSError as error:
            raise BluebirdError(f"no decoding process could be started ({error.strerror or error})") from error
        theirs.close()
        os.close(descriptor)
        with suppress(OSError):  # of one that is dead already; `take_answers` will find out
            ours.send(orders)
        return cls(process, ours, slots, orders.image_size)

    def is_free(self) -> bool:
        return len(self.pending) < len(self._halves)

    def ask(self, chunk: Chunk, known: Mapping[str, Iterable[bytes]]) -> None:
        """Send for what is missing of a chunk; `known` is that of the `DecodePool`."""
        self.pending.append(chunk)
        half = self._halves[len(self.pending) - 1]
        names = zip(chunk.numbers(), chunk.names, strict=True)
        tasks: list[Task] = [
            (number, half + number - chunk.first, name, frozenset(known.get(name, ())))
            for number, name in names
            if number not in chunk.results
        ]
        with suppress(OSError):
            self.connection.send(tasks)

    def take_answers(self) -> None:
        """Receive what was missing of the chunk that was asked for first.

        Raises:
            EOFError, OSError: the worker is dead.
            BluebirdError: it could not begin.
        """
        answers: list[Answer | bytes | str] | str = self.connection.recv()
        if isinstance(answers, str):
            raise BluebirdError(f"a decoding process could not begin ({answers})")
        chunk = self.pending.popleft()
        for number, answer in zip(chunk.missing(), answers, strict=True):
            slot = self._halves[0] + number - chunk.first
            chunk.results[number] = self._result(answer, slot) if isinstance(answer, Answer) else answer
        self._halves.rotate(-1)

    def _result(self, answer: Answer, slot: int) -> Result:
        pixels = self.slots.pixels(slot, answer.height, answer.width)
        result = square(Loaded(pixels, answer.extent, answer.turn, answer.facts), self._image_size)
        return (result.clone() if pixels.shape[:2] == result.shape[1:] else result), answer.facts  # the slot is reused

    def is_overdue(self, seconds: float) -> bool:
        """Whether the pool has watched it at one and the same picture, without a sign of life, for so long."""
        place, now = (self.slots.at, self.slots.signs), time.monotonic()
        if place != self._seen[0]:
            self._seen = (place, now)
        return place[0] != NOTHING and now - self._seen[1] > seconds

    def end(self, patience_seconds: float) -> int | None:
        """Its exit code, a signal's number negative; None where it had to be killed, if that helped at all."""
        self.connection.close()
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(patience_seconds)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        return None


def _nameless_file() -> int:
    """A file in memory, where the system has such; elsewhere one on disk that is deleted at once."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("bluebird")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
