"""A model goes through everything that a source holds, and the ledger keeps what it says."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from bluebird.engines.engine import Answers, Engine
from bluebird.errors import DataError, UnreadablePictureError
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


class Scan:
    """One run over a source.

    Args:
        source: what is searched.
        ledger: open; keeps a row for each file.
        pool: decodes; started.
        engine: the model.
        targets: numbers of the classes whose probabilities add up to the score.
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
        targets: Sequence[int],
        *,
        batch_size: BatchSize | None = None,
        embeddings: bool = False,
        retry_failed: bool = False,
        progress: Callable[[Sequence[Row], int], None] = lambda rows, unchanged: None,
    ) -> None:
        self.source, self.ledger, self.pool, self.engine = source, ledger, pool, engine
        self.targets = list(targets)
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
        batches = self.pool.decode_batches(self._names(), self.batch_size)
        for batch, answers in in_streams(self._asked, batches, self.engine.streams, self.engine.enter_thread):
            self._write(self._rows(batch, answers))
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
            settled = {row.name: row for row in self._settled(new)}
            if settled:
                self._write(list(settled.values()))
            for file in new:
                if file.name not in settled:
                    self._waiting[file.name] = file
                    yield file.name

    def _settled(self, files: Sequence[Found]) -> Iterator[Row]:
        """Rows that need no decoding: of what is to be skipped, and of pictures known by another name."""
        sizes = self.ledger.sizes_known([file.size for file in files])
        for file in files:
            if file.skipped:
                yield Row(file.name, file.size, file.mtime_ns, "skipped", file.skipped)
            elif file.size in sizes and (row := self._known(file)) is not None:
                yield row

    def _known(self, file: Found) -> Row | None:
        try:
            data = self.source.read(file.name)
        except UnreadablePictureError:
            return None  # the pool will find out, and say why
        return self.ledger.same_content(file, hashlib.blake2b(data, digest_size=16).digest())

    def _asked(self, batch: Batch) -> tuple[Batch, Answers | None]:
        """A batch with its answers; called in several threads."""
        if not len(batch.pixels):
            return batch, None
        began = time.perf_counter()
        answers = self.engine.ask(batch.pixels)
        self.batch_size.note(len(batch.pixels), time.perf_counter() - began)
        return batch, answers

    def _rows(self, batch: Batch, answers: Answers | None) -> list[Row]:
        place = iter(range(len(batch.pixels)))
        return [
            self._row(decoded, answers, next(place) if decoded.pixels is not None else -1) for decoded in batch.decoded
        ]

    def _row(self, decoded: Decoded, answers: Answers | None, place: int) -> Row:
        file = self._waiting.pop(decoded.name)
        if answers is None or decoded.facts is None:
            return Row(file.name, file.size, file.mtime_ns, "failed", decoded.error)
        facts = decoded.facts
        probs = answers.probs[place].numpy()
        return Row(
            file.name, file.size, file.mtime_ns, "scored", "", facts.digest, facts.width, facts.height,
            facts.orientation, facts.taken, decoded.dhash, probs.astype("<f4").tobytes(),
            float(probs[self.targets].sum()), float(answers.novelty[place]),
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
