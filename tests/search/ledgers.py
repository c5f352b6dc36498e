"""Ledgers with made-up rows, and a look into their files that goes past the ledger's own code."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from bluebird.search.found import Found
from bluebird.search.ledger import Ledger
from bluebird.search.row import Row

CLASSES = ("bluebird", "blue jay", "robin")


def open_ledger(folder: Path, *, model: str = "first", root: str = "/photos") -> Ledger:
    return Ledger(folder, root, model, CLASSES)


def found(name: str, size: int = 10, mtime_ns: int = 1, skipped: str = "") -> Found:
    return Found(name, size, mtime_ns, skipped)


def scored(file: Found | str, probs: Sequence[float] = (0.5, 0.3, 0.2), **facts: Any) -> Row:
    file = found(file) if isinstance(file, str) else file
    blob = np.array(probs, "<f4").tobytes()
    return Row(file.name, file.size, file.mtime_ns, "scored", probs=blob, score=probs[0], novelty=0.25, **facts)


def failed(file: Found | str, reason: str = "broken") -> Row:
    file = found(file) if isinstance(file, str) else file
    return Row(file.name, file.size, file.mtime_ns, "failed", reason)


def skipped(file: Found) -> Row:
    return Row(file.name, file.size, file.mtime_ns, "skipped", file.skipped)


def ask(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """What another program reads in the file."""
    with closing(sqlite3.connect(folder / "finds.sqlite")) as db:
        return db.execute(query).fetchall()


def change(folder: Path, statement: str) -> None:
    """What another program does to the file."""
    with closing(sqlite3.connect(folder / "finds.sqlite")) as db, db:
        db.execute(statement)
