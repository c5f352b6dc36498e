"""Decoding in processes of its own: a picture that kills, stalls or bloats its decoder costs itself, never the scan."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, repeat
from multiprocessing.connection import wait
from typing import Any

import torch
from torch import Tensor

from bluebird.errors import BluebirdError
from bluebird.pixels.quick import Facts, dhash
from bluebird.search.found import Source
from bluebird.search.process import Chunk, Result, Worker
from bluebird.search.worker import NOTHING, OUT_OF_MEMORY, Orders, Slots

_AHEAD = 128
"""Pictures that are decoded, or being decoded, while the network is at others."""

_TRIES = 2
"""A picture is given up when two workers died of it: one may have died by accident."""

_GRACE_SECONDS = 5.0
"""How long past its time limit a worker is waited for: not even a signal ends one that a dead network drive holds."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One picture: `pixels` uint8 (3, S, S), their `dhash`, the file's `facts`; or `error`, why there is none.

    Of a picture whose content is known there is its `digest` alone.
    """

    name: str
    pixels: Tensor | None = None
    dhash: int = 0
    facts: Facts | None = None
    error: str = ""
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures in the order of their names.

    Args:
        pixels: uint8 (B, 3, S, S), channels last in memory: those that could be read.
        decoded: all of them; their `pixels` are views of the above.
    """

    pixels: Tensor
    decoded: list[Decoded]


class DecodePool:
    """Worker processes that read and shrink pictures; a context that starts them and leaves none behind.

    When the pool's own process is killed, they end too: at their next picture, or at that picture's time limit.
    Meanwhile torch has one thread in the caller's: others would only wait, spinning, for cores that have work, and
    take a large part of them away.

    Args:
        source: where the names lead.
        image_size: S, the side of the network's square.
        num_workers: how many processes.
        timeout_seconds: a picture that takes longer, reading included, is given up.
        max_bytes: of memory for one worker (on Linux); a picture that needs more is given up.
        patient: while a source gets on, on its way to a picture deep in an archive, the time does not count.

    Attributes:
        known: contents by name, by the digest of their file; a file with one of those under its name is read, not
            decoded.
    """

    def __init__(
        self,
        source: Source,
        image_size: int,
        num_workers: int = 2,
        timeout_seconds: float = 10.0,
        max_bytes: int = 2 * 2**30,
        *,
        patient: bool = True,
    ) -> None:
        self._orders = Orders(source, image_size, timeout_seconds, max_bytes, patient)
        self.known: dict[str, Mapping[bytes, Any]] = {}
        self._num_workers = num_workers
        self._workers: list[Worker] = []
        self._asked = 0
        self._stillborn = 0

    def __enter__(self) -> DecodePool:
        self._workers = [Worker.start(self._orders) for _ in range(self._num_workers)]
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)
        return self

    def __exit__(self, *_: object) -> None:
        while self._workers:
            self._workers.pop().end(patience_seconds=0)
        torch.set_num_threads(self._threads)

    def decode(self, names: Iterable[str]) -> Iterator[Decoded]:
        """Each name's picture or error, once and in order."""
        for batch in self.decode_batches(names, repeat(16)):
            yield from batch.decoded

    def decode_batches(self, names: Iterable[str], sizes: Iterator[int]) -> Iterator[Batch]:
        """The same, as many names at a time as `sizes` says next; some `_AHEAD` are taken ahead.

        Raises:
            BluebirdError: the workers cannot even begin.
        """
        results = self._in_order(iter(names))
        for size in sizes:
            if not (items := list(islice(results, size))):
                return
            yield self._batch(items)

    def _batch(self, items: list[tuple[str, Result]]) -> Batch:
        size = self._orders.image_size
        squares = [result[0].permute(1, 2, 0) for _, result in items if isinstance(result, tuple)]
        pixels = (torch.stack(squares) if squares else torch.empty(0, size, size, 3, dtype=torch.uint8)).movedim(3, 1)
        seen = zip(pixels, dhash(pixels) if squares else [], strict=True)
        return Batch(pixels, [_decoded(name, result, seen) for name, result in items])

    def _in_order(self, names: Iterator[str]) -> Iterator[tuple[str, Result]]:
        window: deque[Chunk] = deque()
        while True:
            self._ask(names, window)
            if not window:
                return
            if window[0].missing():
                self._listen()
            else:
                chunk = window.popleft()
                yield from zip(chunk.names, map(chunk.results.__getitem__, chunk.numbers()), strict=True)

    def _ask(self, names: Iterator[str], window: deque[Chunk]) -> None:
        """Hand out chunks until no worker is free, or enough is on its way."""
        size = Slots.chunk_size(self._orders.image_size)
        while len(window) < max(2 * self._num_workers, -(-_AHEAD // size)):
            worker = min(self._workers, key=lambda worker: len(worker.pending))
            if not worker.is_free() or not (taken := list(islice(names, size))):
                return
            window.append(Chunk(self._asked, taken))
            self._asked += len(taken)
            worker.ask(window[-1], self.known)

    def _listen(self) -> None:
        """Take in what workers have answered; replace those that are dead or beyond recall."""
        ready = wait([worker.connection for worker in self._workers], timeout=0.25)
        for place, worker in enumerate(self._workers):
            try:
                if worker.connection in ready:
                    worker.take_answers()
                    self._stillborn = 0
                elif worker.is_overdue(self._orders.timeout_seconds + _GRACE_SECONDS):
                    self._workers[place] = self._successor(worker, patience_seconds=0)
            except (EOFError, OSError):
                self._workers[place] = self._successor(worker, patience_seconds=_GRACE_SECONDS)

    def _successor(self, dead: Worker, patience_seconds: float) -> Worker:
        """A new worker, asked for what the dead one still owed, less the picture that has now cost two of them."""
        number, reason = dead.slots.at, self._obituary(dead.end(patience_seconds))
        self._stillborn += number == NOTHING
        if self._stillborn > 2 * self._num_workers:
            raise BluebirdError(f"the decoding processes end before their first picture: {reason}")
        worker = Worker.start(self._orders)
        for chunk in dead.pending:
            chunk.deaths[number] += number in chunk.numbers()
            if chunk.deaths[number] == _TRIES:
                chunk.results[number] = reason
            if chunk.missing():
                worker.ask(chunk, self.known)
        return worker

    def _obituary(self, exit_code: int | None) -> str:
        if exit_code is None or exit_code == -signal.SIGALRM:
            return f"gave up after {self._orders.timeout_seconds:g} s"
        if exit_code == OUT_OF_MEMORY:
            return f"needs more than {self._orders.max_bytes / 2**30:g} GiB"
        if exit_code < 0:
            return f"the decoder crashed ({signal.Signals(-exit_code).name})"
        return f"the decoder ended its process (exit code {exit_code})"


def _decoded(name: str, result: Result, seen: Iterator[tuple[Tensor, int]]) -> Decoded:
    """Takes the next of `seen`, pixels and hash, where the name has a picture."""
    if isinstance(result, str):
        return Decoded(name, error=result)
    if isinstance(result, bytes):
        return Decoded(name, digest=result)
    pixels, looks = next(seen)
    return Decoded(name, pixels, looks, result[1])
