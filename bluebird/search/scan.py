"""A model goes through everything that a source holds, and the ledger keeps what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch

from bluebird.engines.engine import Answers, Engine
from bluebird.errors import DataError
from bluebird.pixels.quick import Facts
from bluebird.search.batch_size import BatchSize
from bluebird.search.found import Found, Source
from bluebird.search.ledger import Ledger
from bluebird.search.pool import Batch, Decoded, DecodePool
from bluebird.search.row import Row
from bluebird.search.sources.names import UNLISTED
from bluebird.search.streams import in_streams

_T = TypeVar("_T")
_LISTED = 512
"""Files that are looked up in the ledger at once."""


@dataclass(frozen=True, slots=True)
class _Met:
    """A batch, and the rows of those of its pictures whose content was scored before, by name."""

    batch: Batch
    known: dict[str, Row]

    def unknown(self) -> torch.Tensor:
        """The pixels that the network is to be asked about."""
        names = [decoded.name for decoded in self.batch.decoded if decoded.pixels is not None]
        pixels = self.batch.pixels
        return pixels[[name not in self.known for name in names]] if self.known else pixels


class Scan:
    """One run over a source.

    Args:
        source: what is searched.
        ledger: open; keeps a row for each file, and scores for its target.
        pool: decodes; started.
        engine: the model.
        batch_size: how many pictures in a forward pass.
        embeddings: keep what the network's last layer decides on, too.
        retry_failed: try files again that could not be read before, though they have not changed.
        progress: called with the rows of each batch as it is written, and with the number of unchanged files.
    """

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        pool: DecodePool,
        engine: Engine,
        *,
        batch_size: BatchSize | None = None,
        embeddings: bool = False,
        retry_failed: bool = False,
        progress: Callable[[Sequence[Row], int], None] = lambda rows, unchanged: None,
    ) -> None:
        self.source, self.ledger, self.pool, self.engine = source, ledger, pool, engine
        self.batch_size = batch_size or BatchSize()
        self.embeddings = embeddings
        self.retry_failed = retry_failed
        self.progress = progress
        self._waiting: dict[str, Found] = {}
        self._unlisted: list[str] = []

    def run(self) -> int:
        """Go through the source once, to its end; returns how many files have gone since the last run.

        Raises:
            OutputError: the ledger cannot be written any more; all batches before stay.
            DataError: the source has gone, or holds no file; what was known of its files stays as it was.
        """
        batches = map(self._met, self.pool.decode_batches(self._names(), self.batch_size))
        for met, answers in in_streams(self._asked, batches, self.engine.streams, self.engine.enter_thread):
            self._write(self._rows(met, answers))
        if next(iter(self.source), None) is None:  # a drive that is not there (any more) says nothing of its files
            raise DataError(f"{self.ledger.root!r}: no files in it, so there is nothing to predict")
        return self.ledger.finish(self._unlisted)

    def _names(self) -> Iterator[str]:
        """Names of the files that have to be decoded; the others are settled on the way."""
        for files in chunks(self.source, _LISTED):
            self._unlisted += [file.name for file in files if file.skipped.startswith(UNLISTED)]
            unchanged = self.ledger.unchanged(files, retry_failed=self.retry_failed)
            self.progress((), len(unchanged))
            new = [file for file in files if file.name not in unchanged]
            contents = self.ledger.contents({file.size for file in new if not file.skipped})
            skipped = [Row(f.name, f.size, f.mtime_ns, "skipped", f.skipped) for f in new if f.skipped]
            if skipped:
                self._write(skipped)
            for file in new:
                if not file.skipped:
                    self._waiting[file.name] = file
                    self.pool.known[file.name] = contents.get(file.size, {})
                    yield file.name

    def _met(self, batch: Batch) -> _Met:
        """A picture that was moved, copied or touched is known by its content, which the pool has read: nobody else
        reads anything, for only the pool outlives files that stall, bloat or crash whoever does."""
        known = {}
        for decoded in batch.decoded:
            file = self._waiting[decoded.name]
            contents = self.pool.known.pop(decoded.name)
            if decoded.digest:
                known[decoded.name] = self.ledger.row_of(file, decoded.digest, contents[decoded.digest])
            elif decoded.facts and (row := self.ledger.same_content(file, decoded.facts.digest)):
                known[decoded.name] = row
        return _Met(batch, known)

    def _asked(self, met: _Met) -> tuple[_Met, Answers | None]:
        """A batch with answers for what is unknown of it; called in several threads."""
        pixels = met.unknown()
        if not len(pixels):
            return met, None
        began = time.perf_counter()
        answers = self.engine.ask(pixels)
        self.batch_size.note(len(pixels), time.perf_counter() - began)
        return met, answers

    def _rows(self, met: _Met, answers: Answers | None) -> list[Row]:
        rows, place = [], 0
        for decoded in met.batch.decoded:
            file = self._waiting.pop(decoded.name)
            if decoded.name in met.known:
                rows.append(met.known[decoded.name])
            elif answers is None or decoded.facts is None:
                rows.append(Row(file.name, file.size, file.mtime_ns, "failed", decoded.error))
            else:
                rows.append(self._row(file, decoded, decoded.facts, answers, place))
                place += 1
        return rows

    def _row(self, file: Found, decoded: Decoded, facts: Facts, answers: Answers, place: int) -> Row:
        probs = answers.probs[place].numpy().astype("<f4").tobytes()
        return Row(
            file.name, file.size, file.mtime_ns, "scored", "", facts.digest, facts.width, facts.height,
            facts.orientation, facts.taken, decoded.dhash, probs, self.ledger.score(probs),
            float(answers.novelty[place]),
            answers.features[place].half().numpy().astype("<f2").tobytes() if self.embeddings else None,
        )  # fmt: skip

    def _write(self, rows: Sequence[Row]) -> None:
        self.ledger.record(rows)
        self.progress(rows, 0)


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """The items in lists of `size`, the last one shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
