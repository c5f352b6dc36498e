"""The inside of one decoding process: it reads and loads pictures by name until nobody wants more.

A file may crash, stall or bloat whatever decodes it; here it takes nobody along. The process notes which picture it is
at before it begins, has the system end it at the time or the memory limit, and needs no torch, so another one stands in
its place in a fifth of a second.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt

from bluebird.errors import UnreadablePictureError
from bluebird.pixels.quick import Facts, content_digest, load, room
from bluebird.search.found import Source, when_going_on

OUT_OF_MEMORY = 77
"""Exit code of a worker that met its memory limit."""

NOTHING = -1
"""Where a worker is while it is at no picture."""

START_SECONDS = 60.0
_SLOT_BYTES, _MOST_PICTURES = 2**25, 16  # of one chunk
_HEADER = mmap.PAGESIZE

Task = tuple[int, int, str, frozenset[bytes]]
"""A picture's number in the scan, the slot that its pixels go to, its name, and contents that need no decoding."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told once."""

    source: Source
    image_size: int
    timeout_seconds: float
    max_bytes: int
    patient: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A `Loaded` whose pixels, uint8 (height, width, 3), lie in the slot."""

    height: int
    width: int
    extent: tuple[float, float]
    turn: int
    facts: Facts


class Slots:
    """Memory that a worker shares with its pool: the number of the picture it is at, its signs of life, and room for
    two chunks of pixels.

    It has no name and belongs to no folder, so nothing of it is left when both are gone, however they went.
    """

    def __init__(self, descriptor: int, image_size: int) -> None:
        self._memory = mmap.mmap(descriptor, self.size(image_size))
        self._header = np.frombuffer(self._memory, np.int64, 2)
        self._slot_bytes = 3 * room(image_size)

    @staticmethod
    def chunk_size(image_size: int) -> int:
        """How many pictures are asked for at once."""
        return max(1, min(_MOST_PICTURES, _SLOT_BYTES // (3 * room(image_size))))

    @classmethod
    def size(cls, image_size: int) -> int:
        """Bytes in all; the system provides those that are touched."""
        return _HEADER + 2 * cls.chunk_size(image_size) * 3 * room(image_size)

    @property
    def at(self) -> int:
        return int(self._header[0])

    @at.setter
    def at(self, number: int) -> None:
        self._header[0] = number

    @property
    def signs(self) -> int:
        """How many signs of life there were; only another number means something."""
        return int(self._header[1])

    def give_sign(self) -> None:
        self._header[1] += 1

    def pixels(self, slot: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        """The pixels of a slot, uint8 (height, width, 3), in place."""
        start = _HEADER + slot * self._slot_bytes
        return np.frombuffer(self._memory, np.uint8, height * width * 3, start).reshape(height, width, 3)


def main() -> None:
    """Serve the pool at the other end of the socket; both ends' numbers are the arguments of the command line."""
    connection, descriptor = Connection(int(sys.argv[1])), int(sys.argv[2])
    with suppress(EOFError, ConnectionError):  # the pool is gone: so is the reason to be here
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, START_SECONDS)
        try:
            orders: Orders = connection.recv()
            slots = Slots(descriptor, orders.image_size)
            _limit_memory(orders.max_bytes)
        except Exception as error:
            connection.send(_in_a_line(error))
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        if orders.patient:
            when_going_on(lambda: _begin_anew(orders, slots))
        _serve(connection, orders, slots)


def _limit_memory(max_bytes: int) -> None:
    """Refuse more than `max_bytes`, where the system counts (Linux; macOS does not), and leave no core behind."""
    for what, limit in ((resource.RLIMIT_DATA, max_bytes), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (soft, hard))


def _serve(connection: Connection, orders: Orders, slots: Slots) -> None:
    while True:
        tasks: list[Task] = connection.recv()
        answers = [_answer(task, orders, slots) for task in tasks]
        slots.at = NOTHING
        connection.send(answers)


def _begin_anew(orders: Orders, slots: Slots) -> None:
    """The time limit counts from here: what reads is on a long way, and gets on."""
    slots.give_sign()
    signal.setitimer(signal.ITIMER_REAL, orders.timeout_seconds)


def _answer(task: Task, orders: Orders, slots: Slots) -> Answer | bytes | str:
    """The picture; the digest of its content, where that is known; or in one line why there is none."""
    slots.at, slot, name, known = task
    # The default action of the alarm is the system's: it ends a decoder that never returns to Python, and also one
    # whose pool was killed meanwhile.
    signal.setitimer(signal.ITIMER_REAL, orders.timeout_seconds)
    try:
        data = orders.source.read(name)
        if known and (digest := content_digest(data)) in known:
            return digest
        loaded = load(data, name, orders.image_size)
        height, width, _ = loaded.pixels.shape
        slots.pixels(slot, height, width)[:] = loaded.pixels
        return Answer(height, width, loaded.extent, loaded.turn, loaded.facts)
    except Exception as error:
        if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
            os._exit(OUT_OF_MEMORY)
        return error.reason if isinstance(error, UnreadablePictureError) else _in_a_line(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _in_a_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
