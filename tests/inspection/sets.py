"""Labelled sets of painted birds with faults planted in them."""

from __future__ import annotations

import csv
from pathlib import Path

from PIL import Image

from bluebird.inspection import Inspection, Judge, inspect
from bluebird.inspection.features import plain_features
from bluebird.pixels.paint import CLASS_NAMES, paint_picture

PLAIN = Judge(plain_features, "plain colours and edges", is_network=False)


def bird(label: str, index: int, size_px: int = 64) -> Image.Image:
    """Each in a scene of its own, which the painter draws by the index."""
    return paint_picture(label, seed=5, index=1000 * CLASS_NAMES.index(label) + index, size_px=size_px, difficulty=0.2)


def paint(folder: Path, label: str, count: int, first: int = 0) -> Path:
    """Pictures of one class, `first` and following."""
    (folder / label).mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        bird(label, index).save(folder / label / f"{index:03d}.png")
    return folder


def looked_at(root: Path) -> Inspection:
    return inspect(root, 64, PLAIN)


def problems(found: Inspection, *kinds: str) -> set[tuple[str, str]]:
    """Kind and path of all problems, or of those of some kinds."""
    samples = found.listing.samples
    return {
        (problem.kind, samples[problem.row].path.relative_to(found.listing.root).as_posix())
        for problem in found.problems
        if not kinds or problem.kind in kinds
    }


def read_csv(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as rows:
        return list(csv.DictReader(rows))
