"""Scores for a target, whose classes' probabilities add up: of one picture, and of all in a ledger at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_INSERTED = 100
"""Rows in one statement; takes half the time of one by one."""


class Scores(NamedTuple):
    """Of N pictures, in the order of their ids: ids, scores, and whether each picture has gone."""

    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    gone: npt.NDArray[np.bool_]


def score_of(probs: bytes, columns: Sequence[int]) -> float:
    """The score of one picture, from its K float32; `columns` are the numbers of the target's classes."""
    return float(np.frombuffer(probs, "<f4")[columns].sum(dtype=np.float32))


def all_scores(db: sqlite3.Connection, model: str, columns: Sequence[int]) -> Scores:
    """The scores of all pictures that `model` scored.

    SQLite itself joins them to one text, which takes a third of the time of a million rows one by one; what is
    taken of a row is no more than the target's classes, however many there are.
    """
    share = " || ".join(f"hex(substr(probs, {4 * column + 1}, 4))" for column in columns)
    ids, scores, gone = db.execute(
        f"""SELECT group_concat(id), group_concat({share}, ''), group_concat(gone, '')
            FROM pictures NOT INDEXED WHERE status = 'scored' AND model = ?""",
        (model,),
    ).fetchone()
    if ids is None:
        return Scores(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.bool_))
    shares = np.frombuffer(bytes.fromhex(scores), "<f4").reshape(-1, len(columns))
    flags = np.frombuffer(gone.encode("ascii"), np.uint8) == ord("1")
    return Scores(np.fromstring(ids, np.int64, sep=","), shares.sum(1, dtype=np.float32), flags)


def insert_scores(db: sqlite3.Connection, scores: Scores) -> None:
    """Fill the empty table of scores."""
    flat = list(chain.from_iterable(zip(scores.ids.tolist(), scores.scores.tolist(), strict=True)))
    for start in range(0, len(flat), 2 * _INSERTED):
        part = flat[start : start + 2 * _INSERTED]
        db.execute(f"INSERT INTO scores VALUES {', '.join(['(?, ?)'] * (len(part) // 2))}", part)


def places_by_path(db: sqlite3.Connection) -> npt.NDArray[np.int64]:
    """For each id, the place of its path among all paths; an index of the file holds them in this order."""
    (ids,) = db.execute("SELECT group_concat(id) FROM (SELECT id FROM pictures ORDER BY path)").fetchone()
    by_path = np.fromstring(ids or "0", np.int64, sep=",")
    places = np.empty(by_path.max() + 1, np.int64)
    places[by_path] = np.arange(len(by_path))
    return places
