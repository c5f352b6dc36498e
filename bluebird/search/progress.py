"""How far a search has come: a bar for whoever watches, one line of JSON for whatever monitors."""

from __future__ import annotations

import json
import pickle
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal

from tqdm import tqdm

from bluebird.errors import BluebirdError, OutputError
from bluebird.files import write_whole
from bluebird.search.found import Source
from bluebird.search.row import Row

_EVERY_SECONDS = 2.0
_RECENT_SECONDS = 30.0


class Census(threading.Thread):
    """Counts what a source holds, beside the scan that goes through it; `total` is None until it is known."""

    def __init__(self, source: Source) -> None:
        super().__init__(daemon=True)
        self._source: Source = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own; a source serves one thread
        self._stopped = False
        self.total: int | None = None

    def run(self) -> None:
        count = 0
        with suppress(BluebirdError):  # the scan meets the same error, and says it
            for count, _ in enumerate(self._source, 1):  # noqa: B007
                if self._stopped:
                    return
            self.total = count

    def stop(self) -> None:
        self._stopped = True


class Progress:
    """A context around a scan; `note` is called with the rows that were written and the number of unchanged files.

    Args:
        source: what is searched; counted in the background, so that there can be an ETA.
        status: file that is rewritten every 2 s with one line of JSON: state, found, total, scored, failed,
            skipped, unchanged, finds, per_second (of the last 30 s), eta_seconds, seconds. All counts are of this
            run: `finds` are among what it scored, so finds that are unchanged are counted as unchanged alone.
        accept: the score from which on a picture is a find.
    """

    def __init__(self, source: Source, status: Path, accept: float) -> None:
        self._census = Census(source)
        self._status = status
        self._accept = accept
        self.counts: Counter[str] = Counter()
        self._began = self._written = time.monotonic()
        self._recent = deque([(self._began, 0)])  # when so many had been found

    def __enter__(self) -> Progress:
        self._census.start()
        self._bar = tqdm(unit=" files", disable=None, leave=False, dynamic_ncols=True, smoothing=0.05)
        self._write("running")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._census.stop()
        self._bar.close()
        with suppress(OutputError):  # a full disk has been said already
            self._write("done" if kind is None else "interrupted" if kind is KeyboardInterrupt else "failed")

    def note(self, rows: Sequence[Row], unchanged: int) -> None:
        self.counts.update(row.status for row in rows)
        self.counts["unchanged"] += unchanged
        self.counts["finds"] += sum(row.score is not None and row.score >= self._accept for row in rows)
        self._bar.total = self._census.total
        self._bar.set_postfix(finds=self.counts["finds"], failed=self.counts["failed"], refresh=False)
        self._bar.update(len(rows) + unchanged)
        self._recent.append((time.monotonic(), self.found))
        if time.monotonic() - self._written > _EVERY_SECONDS:
            with suppress(OutputError):
                self._write("running")

    @property
    def found(self) -> int:
        return sum(self.counts[name] for name in ("scored", "failed", "skipped", "unchanged"))

    def _write(self, state: Literal["running", "done", "interrupted", "failed"]) -> None:
        self._written = time.monotonic()
        rate, total = self._rate(), self.found if state == "done" else self._census.total
        eta = None if total is None or not rate else round(max(0, total - self.found) / rate, 1)
        names = ("scored", "failed", "skipped", "unchanged", "finds")
        line: dict[str, object] = {"state": state, "found": self.found, "total": total}
        line |= {name: self.counts[name] for name in names}
        line |= {"per_second": round(rate, 1), "eta_seconds": eta, "seconds": round(self._written - self._began, 1)}
        write_whole(self._status, (json.dumps(line) + "\n").encode())

    def _rate(self) -> float:
        """Files a second of late: what is unchanged goes by far sooner than what is new, and comes first."""
        while len(self._recent) > 1 and self._recent[1][0] < self._written - _RECENT_SECONDS:
            self._recent.popleft()
        began, found = self._recent[0]
        return (self.found - found) / max(self._written - began, 1e-9)
