"""The table that a person fills in, and what it says."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bluebird.errors import DataError, UsageError
from bluebird.files import whole
from bluebird.search.sample.plan import Plan

COLUMNS = ("part", "path", "score", "shows")

Row = tuple[str, str, str]
"""Part (best or rest), path and score of a picture, as they stand in the table."""

_MEANT = {"yes": True, "1": True, "true": True, "no": False, "0": False, "false": False, "": None}

Labels = Mapping[str, bool | None]
"""Of pictures, by path, whether they show the target; None where nobody has said."""


@dataclass(frozen=True, slots=True)
class Looked:
    """How many of the best show the target; how many of the rest were looked at, and how many of those show it."""

    best_found: int
    drawn: int
    drawn_found: int


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write the rows, and an empty column `shows`.

    Raises:
        OutputError: it cannot be written.
    """
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows([*row, ""] for row in rows)


def refuse_labelled(path: Path) -> None:
    """Raise `UsageError` where a file would be lost that somebody has filled in, or that is something else."""
    if not path.exists():
        return
    try:
        holds = any(label is not None for label in read_labels(path).values())
    except DataError:
        holds = True
    if holds:
        raise UsageError(f"{str(path)!r}: holds labels already; move it away, then draw")


def read_labels(path: Path) -> Labels:
    """The columns `path` and `shows` of a table; with commas or, as some spreadsheets write it, semicolons.

    Raises:
        DataError: it cannot be read, or a line of it says something else than yes, no or nothing.
    """
    text = _text(path)
    delimiter = ";" if text.partition("\n")[0].count(";") else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    if not {"path", "shows"} <= set(rows.fieldnames or ()):
        raise DataError(f"{str(path)!r}, line 1: expected the columns {', '.join(COLUMNS)}, as --draw writes them")
    labels: dict[str, bool | None] = {}
    try:
        for row in rows:
            where, name, said = f"{str(path)!r}, line {rows.line_num}", row["path"], (row["shows"] or "").strip()
            if not name:
                raise DataError(f"{where}: no path; is the line whole?")
            if said.lower() not in _MEANT:
                raise DataError(f"{where}: shows is {said!r}; expected yes, no or nothing")
            if name in labels:
                raise DataError(f"{where}: {name!r} stands there twice; remove one")
            labels[name] = _MEANT[said.lower()]
    except csv.Error as error:
        raise DataError(f"{str(path)!r}, line {rows.line_num}: no CSV ({error}); repair it") from None
    return labels


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{str(path)!r}: the labels cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise DataError(f"{str(path)!r}: not UTF-8; save it as CSV in UTF-8") from None


def look(plan: Plan, labels: Labels, path: Path) -> Looked:
    """What labels say of the sample of this plan; `path` names their file in errors.

    Of the drawn pictures the last may be left open: they were drawn in random order, so that the others are a smaller
    sample. Any other choice of what to leave open may go by what the pictures show, and is refused.

    Raises:
        UsageError: the labels belong to another sample, or leave open what may not be.
    """
    if labels.keys() != {*plan.best, *plan.drawn}:
        odd = sorted(labels.keys() ^ {*plan.best, *plan.drawn})[0]
        raise UsageError(f"{str(path)!r}: not the pictures of the sample that was drawn, see {odd!r}; draw again")
    best = [labels[name] for name in plan.best]
    drawn = [labels[name] for name in plan.drawn]
    if None in best:
        first = plan.best[best.index(None)]
        raise UsageError(
            f"{str(path)!r}: {best.count(None)} of the {len(best)} best are not labelled, the first is {first!r}; "
            "label them all"
        )
    looked = drawn[: drawn.index(None)] if None in drawn else drawn
    if any(label is not None for label in drawn[len(looked) :]):
        raise UsageError(
            f"{str(path)!r}: {plan.drawn[len(looked)]!r} is not labelled, though others behind it are; only the last "
            "of the rest may be left open"
        )
    return Looked(best.count(True), len(looked), looked.count(True))
