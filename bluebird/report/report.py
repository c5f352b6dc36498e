"""A model judged, as files: the page, the figures as JSON, and a row for each picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bluebird.bundle import versions
from bluebird.files import write_whole
from bluebird.report.judged import Judged
from bluebird.report.mistakes import Lookalike, lookalikes
from bluebird.report.search import FEW, SearchQuality, search_quality
from bluebird.report.trust import Threshold, Trust, thresholds, trust
from bluebird.report.unknown import USED, OpenSet

_MANY = 30
"""So many pictures of others, times the prevalence, are wanted to speak of a rare target."""


@dataclass(frozen=True)
class Report:
    """All that there is to say of a model before its pictures."""

    judged: Judged
    search: SearchQuality
    rare: SearchQuality | None
    trust: Trust
    thresholds: list[Threshold]
    lookalikes: list[Lookalike]
    unknown: OpenSet | None

    def summary(self) -> dict[str, Any]:
        """Plain numbers, as `evaluation.json` has them."""
        judged = self.judged
        return {
            "target": list(judged.target),
            "model": judged.model.fingerprint,
            "split": judged.data.split,
            "pictures": len(judged.scores),
            "relevant": int(judged.relevant.sum()),
            "unreadable": len(judged.data.failures),
            "accuracy": self.trust.accuracy,
            "search": self.search.summary(),
            "search_at_prevalence": self.rare and self.rare.summary(),
            "temperature": self.trust.temperature,
            "calibration": self.trust.figures,
            "thresholds": [threshold.summary() for threshold in self.thresholds],
            "lookalikes": [
                {"label": one.label, "pictures": one.pictures, "taken": one.taken, "missed": one.missed,
                 "mean_score": one.mean_score}
                for one in self.lookalikes
            ],
            "open_set": self.unknown and {
                "known": self.unknown.known, "unknown": self.unknown.unknown, "used": USED,
                "methods": {n: {"auroc": a, "false_positives_at_95": f} for n, (a, f) in self.unknown.figures.items()},
            },
            "versions": versions(),
        }  # fmt: skip

    def warnings(self) -> list[str]:
        """What makes these figures less than they seem."""
        judged, found = self.judged, []
        relevant = int(judged.relevant.sum())
        others = len(judged.scores) - relevant
        if 0.05 * relevant < FEW:
            found.append(
                f"Only {relevant:,} pictures of {judged.wanted}: the ranges for high recalls end too low. "
                f"About {FEW / 0.05:.0f} are wanted for 95 %."
            )
        if self.rare and others * (self.rare.prevalence or 1) < _MANY:
            found.append(
                f"{others:,} pictures of others cannot stand for a database as rare as that: up to {3 / others:.1%} of "
                "it may score as high as the best here and would never have been met. Its figures are hopeful guesses."
            )
        if judged.data.split == "all":
            found.append(
                "All pictures of the folder were judged by: see to it that the model learnt from none of them."
            )
        return found


def make_report(judged: Judged, unknown: OpenSet | None, prevalence: float | None, seed: int = 0) -> Report:
    """Work everything out.

    Args:
        judged: what the model said.
        unknown: of species that it never saw, where there are some.
        prevalence: share of the target in a database to speak of besides.
        seed: draws the resamples of the intervals.

    Raises:
        UsageError: a prevalence that is not between 0 and 1.
        DataError: there are only pictures of the target, or none whose class the model has.
    """
    return Report(
        judged,
        search_quality(judged.scores, judged.relevant, seed=seed),
        None if prevalence is None else search_quality(judged.scores, judged.relevant, prevalence, seed),
        trust(judged),
        thresholds(judged),
        lookalikes(judged),
        unknown,
    )


def write_report(report: Report, folder: Path, page: Callable[[Report], str]) -> None:
    """Write `report.html`, `evaluation.json` and `predictions.csv`.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_whole(folder / "evaluation.json", (json.dumps(report.summary(), indent=2) + "\n").encode())
    write_whole(folder / "predictions.csv", _table(report.judged).encode("utf-8", "backslashreplace"))
    write_whole(folder / "report.html", page(report).encode("utf-8", "backslashreplace"))


def _table(judged: Judged) -> str:
    """Best score first: path, label, score of the target, first class and its probability."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "label", "score", "first", "first_prob"])
    probs = judged.said.probs
    for number in np.argsort(-judged.scores, kind="stable").tolist():
        first = int(probs[number].argmax())
        score, first_prob = f"{judged.scores[number]:.6f}", f"{probs[number, first]:.6f}"
        rows.writerow([judged.path(number), judged.label(number), score, judged.model.classes[first], first_prob])
    return text.getvalue()
