"""Results in the form that camera-trap software reads: MegaDetector's batch output, format 1.6.

Source: https://lila.science/megadetector-output-format. Bluebird finds no boxes, so each scored picture
has one that covers it all, with the probability of the target as its confidence; the category bears the
target's name, for that is what the confidence speaks of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import bluebird
from bluebird.files import whole
from bluebird.search.names import printable
from bluebird.search.results.find import Failure, Find, Results, best_classes

_CLASSIFICATIONS = 5
"""How many classes are written for a picture, best first."""

_VIDEOS = (".mp4", ".avi", ".mpeg", ".mpg", ".mov", ".mkv", ".flv")
"""What readers of the format take for a video, and expect a frame rate of."""


def write_megadetector(results: Results, path: Path) -> None:
    """Write one JSON file with an entry for every file: its detection, or why it has none.

    A frame of a video is an entry of its own, under its own name (`clip.mp4#t=12.0`).

    Raises:
        OutputError: it cannot be written.
    """
    head = {
        "info": {
            "format_version": "1.6",
            "detector": f"bluebird {bluebird.__version__}",
            "classifier": printable(results.model),
            "detection_completion_time": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
        },
        "detection_categories": {"1": _not_blank(results.wanted)},
        "classification_categories": {str(i): _not_blank(printable(name)) for i, name in enumerate(results.classes)},
    }
    with whole(path) as part, part.open("w", encoding="ascii") as file:
        file.write(json.dumps(head)[:-1] + ',\n"images": [')
        separator = "\n"
        for image in _images(results):
            file.write(separator + json.dumps(image, allow_nan=False))
            separator = ",\n"
        file.write("\n]}\n")


def _images(results: Results) -> Iterator[dict[str, Any]]:
    yield from map(_scored, results.finds())
    yield from map(_failed, results.failures())


def _scored(find: Find) -> dict[str, Any]:
    best = best_classes(find.probs, _CLASSIFICATIONS)
    detection = {
        "category": "1",
        "conf": round(float(find.score), 6),
        "bbox": [0, 0, 1, 1],
        "classifications": [[str(index), round(find.probs[index], 6)] for index in best],
    }
    return {"file": printable(find.name), "detections": [detection]}


def _failed(failure: Failure) -> dict[str, Any]:
    name = printable(failure.name)
    entry: dict[str, Any] = {"file": name, "failure": printable(failure.reason), "detections": None}
    if name.lower().endswith(_VIDEOS):
        entry |= {"frame_rate": -1, "frames_processed": []}  # the form's own sign for a video that was not read
    return entry


def _not_blank(name: str) -> str:
    """The format refuses a name of nothing but spaces, which a folder may well have."""
    return name if name.strip() else repr(name)
