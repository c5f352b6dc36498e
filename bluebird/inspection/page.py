"""What was found, for a person: one page that a browser opens from disk."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bluebird.files import write_whole
from bluebird.inspection import classes, photos, verdict
from bluebird.inspection.inspect import Inspection
from bluebird.inspection.problem import Kind, Problem, name, printable, where
from bluebird.pages import Picture, Table, render

SUSPECTS, PAIRS, ROWS = 60, 12, 100
"""How many doubted labels, pairs of each kind and rows of a table the page shows; the CSV file has all."""

_HARMS: tuple[tuple[Kind, str], ...] = (
    ("copy across splits", "Across splits: the test knows what was learnt"),
    ("copy across classes", "Across classes: one of the labels is wrong"),
    ("copy", "Within a class and split"),
)
_FILES: tuple[tuple[Kind, str], ...] = (
    ("unreadable", "Unreadable"),
    ("tiny", "Tiny"),
    ("odd shape", "Of extreme proportions"),
    ("plain", "Plain"),
)


def write_page(inspection: Inspection, path: Path) -> None:
    """Write the page.

    Raises:
        OutputError: it cannot be written.
    """
    listing, counts = inspection.listing, classes.class_counts(inspection.listing)
    page = render(
        "inspection",
        title=f"{printable(listing.root.resolve().name)}, looked at before training",
        answer=verdict.answer(inspection),
        steps=verdict.steps(inspection),
        remarks=verdict.remarks(inspection),
        numbers=_numbers(inspection),
        evenness=classes.evenness(counts),
        bars=classes.bars(counts),
        class_table=classes.table(counts),
        files=[(title, _found(inspection, kind), _table(inspection, kind)) for kind, title in _FILES],
        copies=[(title, _found(inspection, kind), _pairs(inspection, kind)) for kind, title in _HARMS],
        labels=_labels(inspection),
        root=printable(listing.root),
    )
    write_whole(path, page.encode("utf-8", "backslashreplace"))


def _numbers(inspection: Inspection) -> list[tuple[str, str]]:
    counts = inspection.counts
    numbers = {
        "pictures": len(inspection.listing.samples),
        "classes": len(inspection.listing.classes),
        "unreadable": counts["unreadable"],
        "copies across splits": counts["copy across splits"],
        "copies across classes": counts["copy across classes"],
    }
    if inspection.labels.is_trusted:
        numbers["doubtful labels"] = counts["label"]
    return [(key, f"{value:,}") for key, value in numbers.items()]


def _found(inspection: Inspection, kind: Kind) -> str:
    count, shown = inspection.counts[kind], PAIRS if kind in dict(_HARMS) else ROWS
    if not count:
        return "None."
    text = f"{verdict.pictures(count)} {verdict.said(kind, count)}."
    return text if count <= shown else f"{text} Here are the first {shown}; problems.csv has all."


def _table(inspection: Inspection, kind: Kind) -> Table:
    return Table(
        ["picture", "class", "what"], [_row(inspection, problem) for problem in islice(inspection.of(kind), ROWS)]
    )


def _row(inspection: Inspection, problem: Problem) -> list[str]:
    listing = inspection.listing
    return [name(listing, problem.row), printable(where(listing, problem.row)), printable(problem.detail)]


def _pairs(inspection: Inspection, kind: Kind) -> list[Picture]:
    return [photos.pair(inspection.listing, problem) for problem in inspection.of(kind)[:PAIRS]]


def _labels(inspection: Inspection) -> dict[str, Any]:
    labels, found = inspection.labels, inspection.of("label")
    bar = tqdm(found[:SUSPECTS], desc="showing", unit=" pictures", disable=None, leave=False)
    return {
        "missing": printable(labels.missing),
        "by": printable(inspection.judge.name),
        "is_network": inspection.judge.is_network,
        "judged": f"{labels.judged:,}",
        "agreement": f"{labels.agreement:.0%}",
        "is_trusted": labels.is_trusted,
        "count": f"{len(found):,}",
        "shown": f"{min(len(found), SUSPECTS):,}",
        "photos": [photos.suspect(inspection.listing, problem) for problem in bar],
    }
