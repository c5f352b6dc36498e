"""The ledger of a search: one SQLite file that knows every picture, and survives whatever happens to the scan.

Rows are written a batch at a time, each batch whole or not at all, so files found = scored + failed + skipped
after any interruption, each file once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any

from bluebird.errors import OutputError, UsageError
from bluebird.search.found import Found
from bluebird.search.gone import mark_gone
from bluebird.search.lock import Lock
from bluebird.search.names import original, printable
from bluebird.search.row import Counts, Row
from bluebird.search.scores import Scores, all_scores, insert_scores, score_of
from bluebird.search.sqlite_errors import in_one_line

APPLICATION, VERSION = 0x42425244, 1  # "BBRD"; of the schema
_SCHEMA = Path(__file__).with_name("schema.sql")

_COLUMNS = (
    "path", "size", "mtime_ns", "status", "reason", "digest", "width", "height", "orientation", "taken", "dhash",
    "probs", "novelty", "embedding", "model", "run",
)  # fmt: skip
_RECORD = (
    f"INSERT INTO pictures ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (path) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}, gone = 0"
)
_of_row = attrgetter(*_COLUMNS[1:-2])
_CONTENT = "width, height, orientation, taken, dhash, probs, novelty, embedding"
_FEW = 16  # pictures of one size; of more, a file is decoded rather than compared with all of them
_SCORE = "INSERT OR REPLACE INTO scores SELECT id, ? FROM pictures WHERE path = ?"

Contents = dict[bytes, tuple[Any, ...]]
"""What pictures are, by the digest of their file."""


class Ledger:
    """The open ledger of one run; a context.

    Args:
        folder: holds `finds.sqlite`; made if it is not there.
        root: what is searched; a ledger stays with its root.
        model: fingerprint of the model; rows of another model count as not yet scored.
        classes: K class names.
        embeddings: rows without an embedding count as not yet scored, too.

    Raises:
        OutputError: the folder cannot be written, or its file is no ledger.
        UsageError: another search is running on it, or it belongs to another root.
    """

    def __init__(
        self, folder: Path, root: str, model: str, classes: Sequence[str], *, embeddings: bool = False
    ) -> None:
        self.path = folder / "finds.sqlite"
        self._wants = "embedding IS NOT NULL" if embeddings else "TRUE"
        self.root, self.model, self.classes = root, model, tuple(classes)
        self.target: tuple[str, ...] = ()

    def __enter__(self) -> Ledger:
        with in_one_line(self.path), ExitStack() as opened:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            opened.callback(Lock(self.path.with_suffix(".lock")).release)
            self.db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
            opened.callback(self.db.close)
            self._open()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _open(self) -> None:
        if not self._one("SELECT count(*) FROM sqlite_master"):
            self._create()
        elif (self._one("PRAGMA application_id"), self._one("PRAGMA user_version")) != (APPLICATION, VERSION):
            raise OutputError(f"{str(self.path)!r}: not a ledger of this version of Bluebird; choose another --out")
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last batches, never the file
        self._begin_run()

    def _create(self) -> None:
        self.db.executescript(
            f"BEGIN; {_SCHEMA.read_text(encoding='utf-8')} PRAGMA application_id = {APPLICATION}; "
            f"PRAGMA user_version = {VERSION}; COMMIT;"
        )

    def _begin_run(self) -> None:
        kept = dict(self.select("SELECT key, value FROM search"))
        if kept.get("root", printable(self.root)) != printable(self.root):
            raise UsageError(
                f"{str(self.path)!r}: holds the search of {kept['root']!r}, not of {self.root!r}; choose another --out"
            )
        self.run = int(kept.get("run", 0)) + 1
        self.of_another = kept.get("model", self.model) != self.model  # whose scores are given up
        if not self.of_another:
            self.target = tuple(json.loads(kept.get("target", "[]")))
        with self.writing():
            self._keep(root=printable(self.root), model=self.model, run=str(self.run))
            self._keep(classes=json.dumps(self.classes), target=json.dumps(self.target))

    def _keep(self, **values: str) -> None:
        self.db.executemany("INSERT OR REPLACE INTO search VALUES (?, ?)", values.items())

    def aim(self, target: Sequence[str]) -> Scores:
        """Scores of all pictures that this model scored; from now on those in the file are for this target too.

        Args:
            target: one class, or several whose probabilities add up.
        """
        with in_one_line(self.path):
            scores = all_scores(self.db, self.model, self._columns(target))
        if self.target != tuple(target):
            self._rewrite(scores, target)
        return scores

    def _rewrite(self, scores: Scores, target: Sequence[str]) -> None:
        with self.writing():
            self.db.execute("DELETE FROM scores")
            insert_scores(self.db, scores)
            self._keep(target=json.dumps(target))
        self.target = tuple(target)

    def _columns(self, target: Sequence[str]) -> list[int]:
        """Numbers of these classes, each once and in order, so that their sum is the same however they are named."""
        return sorted({self.classes.index(name) for name in target})

    def unchanged(self, found: Sequence[Found], *, retry_failed: bool = False) -> set[str]:
        """Names of the files whose rows still hold; they count as seen in this run.

        A row holds while size and time of change are what they were, and, if it was scored, the model is.
        """
        by_path = {printable(file.name): file for file in found}
        marks = ", ".join("?" * len(by_path))
        query = f"""SELECT path, id, size, mtime_ns, status, reason, model = ? AND {self._wants}
                    FROM pictures WHERE path IN ({marks})"""
        holding = {
            path: id_
            for path, id_, *kept in self.select(query, self.model, *by_path)
            if self._holds(by_path[path], *kept, retry_failed=retry_failed)
        }
        with self.writing():
            update = "UPDATE pictures SET run = ?, gone = 0 WHERE id = ?"
            self.db.executemany(update, [(self.run, id_) for id_ in holding.values()])
        return {by_path[path].name for path in holding}

    def _holds(
        self, file: Found, size: int, mtime_ns: int, status: str, reason: str, scored: int, *, retry_failed: bool
    ) -> bool:
        if (size, mtime_ns) != (file.size, file.mtime_ns) or (status == "skipped") != bool(file.skipped):
            return False
        if status == "failed":
            return not retry_failed
        return reason == file.skipped if status == "skipped" else bool(scored)

    def contents(self, sizes: Iterable[int]) -> dict[int, Contents]:
        """Of the pictures of each of these sizes that this model scored, what they are, by digest, where they are few:
        a new file of one of these sizes may be one that was moved or copied."""
        query = f"""SELECT digest, model = ? AND {self._wants}, {_CONTENT} FROM pictures
                    WHERE status = 'scored' AND size = ? LIMIT {_FEW + 1}"""
        found = {size: self.select(query, self.model, size) for size in sizes}
        return {
            size: {digest: tuple(values) for digest, fits, *values in rows if fits}
            for size, rows in found.items()
            if len(rows) <= _FEW
        }

    def same_content(self, file: Found, digest: bytes) -> Row | None:
        """The row of `file` from that of a picture with the same content, scored by this model."""
        query = f"""SELECT {_CONTENT} FROM pictures
                    WHERE status = 'scored' AND size = ? AND digest = ? AND model = ? AND {self._wants} LIMIT 1"""
        known = self.select(query, file.size, digest, self.model)
        return self.row_of(file, digest, known[0]) if known else None

    def row_of(self, file: Found, digest: bytes, content: tuple[Any, ...]) -> Row:
        """The row of a file that has a content known to `contents`."""
        *facts, probs, novelty, embedding = content
        values = (*facts, probs, self.score(probs), novelty, embedding)
        return Row(file.name, file.size, file.mtime_ns, "scored", "", digest, *values)

    def record(self, rows: Sequence[Row]) -> None:
        """Write rows in one transaction, over what was known of these files before.

        Raises:
            OutputError: the disk is full, or the like; none of them is written then.
        """
        paths = [printable(row.name) for row in rows]
        values = [(path, *_of_row(row), self.model, self.run) for path, row in zip(paths, rows, strict=True)]
        scores = [(self.score(row.probs), path) for path, row in zip(paths, rows, strict=True) if row.probs]
        with self.writing():
            self.db.executemany(_RECORD, values)
            self.db.executemany(_SCORE, scores if self.target else ())

    def score(self, probs: bytes) -> float | None:
        """The score for the target that is aimed at, of a picture's K float32; None before there is one."""
        return score_of(probs, self._columns(self.target)) if self.target else None

    def finish(self, unlisted: Sequence[str] = ()) -> int:
        """Mark what was not seen in this run as gone; how many have gone since the last.

        Args:
            unlisted: names of folders, with a slash at their end, that could not be listed; what is below them has
                not gone, for nobody could tell, nor what is in an archive or video that failed.
        """
        with self.writing():
            return mark_gone(self.db, self.run, unlisted)

    def counts(self) -> Counts:
        """Of this run: only files that it has seen, and whatever has gone."""
        query = "SELECT status, count(*) FROM pictures WHERE run = ? GROUP BY status"
        here = dict(self.select(query, self.run))
        return Counts(**here, gone=self._one("SELECT count(*) FROM pictures WHERE gone = 1"))

    def select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows that a query gives."""
        with in_one_line(self.path):
            return self.db.execute(query, values).fetchall()

    def _one(self, query: str) -> Any:
        return self.select(query)[0][0]

    def unscored(self) -> Iterator[tuple[str, str, str]]:
        """Name, reason and status of each file that is there and was failed or skipped, by path."""
        query = "SELECT path, reason, status FROM pictures WHERE status != 'scored' AND gone = 0 ORDER BY path"
        with in_one_line(self.path):
            for path, reason, status in self.db.execute(query):
                yield original(path), reason, status

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; whatever ends it early undoes it."""
        with in_one_line(self.path):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
