"""The scores of a search as they stand, read without a hand on its ledger: beside a search that runs, too."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bluebird.errors import DataError
from bluebird.search.ledger import APPLICATION, VERSION
from bluebird.search.names import original, printable
from bluebird.search.sqlite_errors import in_one_line

_FETCHED = 500


@dataclass(frozen=True)
class Scored:
    """The N pictures of a search that have a score of its model and were there when it last looked.

    Args:
        ledger: the file that all this is from.
        root: what was searched; a pattern, a list or a URL stands as it was given.
        model: fingerprint of what scored them.
        target: the classes that were looked for.
        ids: of the pictures, in the order of their paths.
        scores: float64 (N,), the probability of the target.
        digest: of all paths and scores; whatever changes one of them changes it.
        failed, skipped, waiting: files without a score; those that wait have one of another model.
        ended: whether the search went on to its end.
    """

    ledger: Path
    root: str
    model: str
    target: tuple[str, ...]
    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    digest: str
    failed: int
    skipped: int
    waiting: int
    ended: bool

    @property
    def wanted(self) -> str:
        """The target in words, as `Results.wanted`."""
        return printable(" or ".join(self.target))


def read_scored(folder: Path) -> Scored:
    """What the search that wrote into `folder` knows, at one moment of it.

    Raises:
        DataError: there is no search, or none of this version, or nothing has a score yet.
        OutputError: the ledger cannot be read, or is none.
    """
    path = folder / "finds.sqlite"
    if not path.is_file():
        raise DataError(f"{str(path)!r}: no such file; expected what bluebird predict ... --out writes")
    with in_one_line(path), closing(_connect(path)) as db:
        known = (db.execute("PRAGMA application_id").fetchone()[0], db.execute("PRAGMA user_version").fetchone()[0])
        if known != (APPLICATION, VERSION):
            raise DataError(f"{str(path)!r}: not a ledger of this version of Bluebird; search again into another --out")
        db.execute("BEGIN")  # one moment for all that follows, whatever a search writes meanwhile
        scored = _read(db, path)
    if not len(scored.scores):
        raise DataError(f"{str(path)!r}: no picture has a score yet; let the search run")
    return scored


def read_paths(scored: Scored, places: npt.NDArray[np.int64]) -> list[str]:
    """The paths of the pictures at these places of `scored`, printable as the ledger has them."""
    ids = scored.ids[places].tolist()
    paths: dict[int, str] = {}
    with in_one_line(scored.ledger), closing(_connect(scored.ledger)) as db:
        for start in range(0, len(ids), _FETCHED):
            part = ids[start : start + _FETCHED]
            marks = ", ".join("?" * len(part))
            paths.update(db.execute(f"SELECT id, path FROM pictures WHERE id IN ({marks})", part))
    return [paths[id_] for id_ in ids]


def _connect(path: Path) -> sqlite3.Connection:
    # not mode=ro: whoever closes the ledger last tidies up its log, which such a connection makes and has to leave
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=30)
    db.execute("PRAGMA query_only = ON")
    return db


def _read(db: sqlite3.Connection, path: Path) -> Scored:
    kept = dict(db.execute("SELECT key, value FROM search"))
    digest = hashlib.sha256()
    ids, scores = [], []
    query = "SELECT id, path, score FROM pictures JOIN scores USING (id) WHERE status = 'scored' AND gone = 0"
    for id_, name, score in db.execute(f"{query} AND model = ? ORDER BY path", (kept.get("model"),)):
        digest.update(f"{len(name)}:{name}{score!r}".encode())
        ids.append(id_)
        scores.append(score)
    states = dict(db.execute("SELECT status, count(*) FROM pictures WHERE gone = 0 GROUP BY status"))
    return Scored(
        ledger=path,
        root=original(kept.get("root", "")),
        model=kept.get("model", ""),
        target=tuple(json.loads(kept.get("target", "[]"))),
        ids=np.array(ids, np.int64),
        scores=np.array(scores, np.float64).clip(0, 1),  # sums of float32 may pass 1 by a hair
        digest=digest.hexdigest(),
        failed=states.get("failed", 0),
        skipped=states.get("skipped", 0),
        waiting=states.get("scored", 0) - len(ids),
        ended=_has_ended(path.with_name("status.json")),
    )


def _has_ended(status: Path) -> bool:
    try:
        said = json.loads(status.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and said.get("state") == "done"
