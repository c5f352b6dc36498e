"""Which files have gone since the last run of a search, and which only could not be seen in this one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bluebird.search.names import printable

_INSIDE = (("!", '"'), ("#t=", "#t>"))
"""How the names of an archive's members and a video's frames go on behind its own, and what comes after all such."""

_PART = "part.path > whole.path || ? AND part.path < whole.path || ?"


def mark_gone(db: sqlite3.Connection, run: int, unlisted: Sequence[str]) -> int:
    """Mark what was not seen in this run as gone; how many have gone. Within a transaction of the caller's.

    What nobody could see has not gone, and counts as seen: what is below a folder that could not be listed, or in an
    archive or video that could not be opened, or not to its end; that one is itself a failed row of this run.

    Args:
        db: the ledger's.
        run: the number of this run.
        unlisted: names of folders, with a slash at their end, that could not be listed.
    """
    for folder in map(printable, unlisted):
        _spare(db, run, "path > ? AND path < ?", folder, folder[:-1] + "0")  # what follows "/"
    for bounds in _INSIDE:
        # CROSS keeps this order, in which an index leads to the parts; else each is compared with each
        failed = f"SELECT part.id FROM pictures AS whole CROSS JOIN pictures AS part ON {_PART}"
        _spare(db, run, f"id IN ({failed} WHERE whole.run = ? AND whole.status = 'failed')", *bounds, run)
        _forget_opened(db, run, bounds)
    # a folder that can be listed again has not gone, only its row
    db.execute("DELETE FROM pictures WHERE run < ? AND status = 'skipped' AND path LIKE '%/'", (run,))
    return db.execute("UPDATE pictures SET gone = 1 WHERE run < ? AND gone = 0", (run,)).rowcount


def _spare(db: sqlite3.Connection, run: int, which: str, *values: object) -> None:
    db.execute(f"UPDATE pictures SET run = ? WHERE gone = 0 AND run < ? AND {which}", (run, run, *values))


def _forget_opened(db: sqlite3.Connection, run: int, bounds: tuple[str, str]) -> None:
    """An archive that can be opened again has not gone, only its row: what is in it was seen instead."""
    seen = f"SELECT 1 FROM pictures AS part WHERE {_PART} AND part.run = ?"
    db.execute(
        "DELETE FROM pictures AS whole WHERE run < ? AND gone = 0 AND status = 'failed'"
        f" AND EXISTS ({seen})", (run, *bounds, run)
    )  # fmt: skip
