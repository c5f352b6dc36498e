"""What the target is confused with, and the pictures that show it worst."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bluebird.report.judged import UNKNOWN, Judged

Numbers: TypeAlias = list[int]

_LOOKALIKES, _WORST = 10, 6


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A species that is taken for the target, or the other way round.

    `taken` of its `pictures` were taken for the target, and `missed` of the target's for it; `mean_score` is the mean
    score of its pictures; `worst` are the numbers of those of them with the highest scores.
    """

    label: str
    pictures: int
    taken: int
    missed: int
    mean_score: float
    worst: Numbers


def lookalikes(judged: Judged) -> list[Lookalike]:
    """The species nearest to the target, unknown ones too: the most confused first, then by mean score."""
    first = judged.said.probs.argmax(1)
    is_target = np.isin(first, judged.columns)
    labels = np.array([judged.label(number) for number in range(len(first))])
    found = []
    for label in sorted(set(labels[~judged.relevant])):
        own = labels == label
        missed = judged.relevant & (np.array(judged.model.classes)[first] == label)
        scores = judged.scores[own]
        worst = np.flatnonzero(own)[np.argsort(-scores, kind="stable")][:_WORST]
        taken = int((own & is_target).sum())
        found.append(
            Lookalike(str(label), int(own.sum()), taken, int(missed.sum()), float(scores.mean()), worst.tolist())
        )
    found.sort(key=lambda one: (-(one.taken + one.missed), -one.mean_score))
    return found[:_LOOKALIKES]


def worst_missed(judged: Judged, count: int = 12) -> Numbers:
    """The pictures of the target with the lowest scores."""
    return _ordered(judged, judged.relevant, 1, count)


def worst_taken(judged: Judged, count: int = 12) -> Numbers:
    """The pictures of anything else with the highest scores."""
    return _ordered(judged, ~judged.relevant, -1, count)


def best_found(judged: Judged, count: int = 12) -> Numbers:
    """The pictures of the target with the highest scores."""
    return _ordered(judged, judged.relevant, -1, count)


def confusion(targets: NDArray[np.int64], probs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts (K, K) of the pictures of a class, a row, that were taken for a class, a column; unknown ones left out."""
    classes = probs.shape[1]
    known = targets != UNKNOWN
    cells = targets[known] * classes + probs[known].argmax(1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def _ordered(judged: Judged, chosen: NDArray[np.bool_], sign: int, count: int) -> Numbers:
    numbers = np.flatnonzero(chosen)
    order: Numbers = numbers[np.argsort(sign * judged.scores[numbers], kind="stable")][:count].tolist()
    return order
