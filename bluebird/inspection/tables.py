"""What was found, for a program: a row for each problem, and the counts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from bluebird.files import write_whole
from bluebird.inspection.classes import class_counts
from bluebird.inspection.inspect import Inspection
from bluebird.inspection.problem import name, printable
from bluebird.inspection.verdict import remarks, steps


def write_csv(inspection: Inspection, path: Path) -> None:
    """Write path,label,split,problem,detail, the gravest problems first; paths count from the labelled folder.

    Raises:
        OutputError: it cannot be written.
    """
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["path", "label", "split", "problem", "detail"])
    for problem in inspection.problems:
        sample = inspection.listing.samples[problem.row]
        cells = (sample.label, sample.split or "", problem.kind, problem.detail)
        rows.writerow([name(inspection.listing, problem.row), *map(printable, cells)])
    write_whole(path, text.getvalue().encode("utf-8", "backslashreplace"))


def write_json(inspection: Inspection, path: Path) -> None:
    """Write one JSON object: `pictures`, `readable`, `classes` (class: split: pictures), `problems` (kind: pictures),
    `labels` (how they were judged), and the verdict as `steps` and `remarks`.

    Raises:
        OutputError: it cannot be written.
    """
    labels = inspection.labels
    counts = {
        "root": str(inspection.listing.root),
        "pictures": len(inspection.listing.samples),
        "readable": len(inspection.rows),
        "classes": class_counts(inspection.listing),
        "problems": inspection.counts,
        "labels": {
            "judged": labels.judged,
            "by": inspection.judge.name,
            "agreement": round(labels.agreement, 4),
            "trusted": labels.is_trusted,
            "left_out": list(labels.left_out),
            "missing": labels.missing,
        },
        "steps": steps(inspection),
        "remarks": remarks(inspection),
    }
    write_whole(path, (json.dumps(counts, indent=2) + "\n").encode())
