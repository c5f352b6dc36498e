"""How many pictures must be looked at, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bluebird.quality.bootstrap import intervals
from bluebird.quality.prevalence import weights_at
from bluebird.quality.ranking import (
    Ranking,
    average_precision,
    looking_curve,
    looks_for,
    precision_at,
    ranking,
    recall_at,
)

Doubles: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

RECALLS = (0.8, 0.9, 0.95, 0.99)
_FIRST = (10, 20, 50, 100, 200, 500, 1000)
_PLACES = 240  # of the band along the curve
FEW = 5
"""Where a recall leaves fewer pictures of the target, its interval ends too low: see `bootstrap.intervals`."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % interval: of 100 such test sets about 95 give one with the figure of an endless set."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SearchQuality:
    """What a search of these pictures is worth.

    Where there is a `prevalence`, all of it speaks of a database with that share of the target, and `looks` are shares
    of that database; else they are pictures. `first` are the numbers of pictures for `precision` and `recall`.
    `band` are places along the looking curve, and from where to where it goes there.
    """

    prevalence: float | None
    curve: Ranking
    average_precision: Figure
    looks: dict[float, Figure]
    first: tuple[int, ...]
    precision: list[Figure]
    recall: list[Figure]
    band: tuple[Doubles, Doubles, Doubles]

    def summary(self) -> dict[str, Any]:
        """Plain numbers, as `evaluation.json` has them."""
        everything, relevant = float(self.curve.looked[-1]), float(self.curve.found[-1])
        return {
            "prevalence": self.prevalence if self.prevalence is not None else relevant / everything,
            "average_precision": _plain(self.average_precision),
            "looks_for": [
                {"recall": recall, **_plain(looks), "ideal": recall * relevant, "any_order": recall * everything}
                for recall, looks in self.looks.items()
            ],
            "first": [
                {"pictures": count, "precision": _plain(precision), "recall": _plain(recall)}
                for count, precision, recall in zip(self.first, self.precision, self.recall, strict=True)
            ],
        }


def search_quality(scores: Doubles, relevant: Flags, prevalence: float | None = None, seed: int = 0) -> SearchQuality:
    """All figures of one target, with bootstrap intervals.

    Args:
        scores: (N,), high for the target.
        relevant: (N,), which pictures show it.
        prevalence: share of the target in the database that is meant; None for that of the pictures themselves.
        seed: draws the resamples.

    Raises:
        UsageError: a prevalence that is not between 0 and 1.
        DataError: no picture of the target, or with a prevalence, of anything else.
    """
    base = np.ones(len(scores)) if prevalence is None else weights_at(relevant, prevalence)
    curve = ranking(scores, relevant, base)
    first = _first(len(scores)) if prevalence is None else ()
    places = np.linspace(0, curve.looked[-1], _PLACES)

    def figures(scores: Doubles, relevant: Flags, counts: Doubles) -> Doubles:
        weights = counts if prevalence is None else counts * weights_at(relevant, prevalence)
        return _figures(ranking(scores, relevant, weights), first, places)

    value = _figures(curve, first, places)
    low, high = intervals(figures, scores, relevant, seed=seed)
    found = [Figure(*map(float, three)) for three in zip(value, low, high, strict=True)]
    after = 1 + len(RECALLS)
    return SearchQuality(
        prevalence,
        curve,
        found[0],
        dict(zip(RECALLS, found[1:after], strict=True)),
        tuple(first),
        found[after : after + len(first)],
        found[after + len(first) : after + 2 * len(first)],
        (places, low[-_PLACES:], high[-_PLACES:]),
    )


def _first(count: int) -> tuple[int, ...]:
    return tuple(k for k in _FIRST if k <= count)


def _figures(r: Ranking, first: Sequence[int], places: Doubles) -> Doubles:
    looks = [looks_for(r, recall) for recall in RECALLS]
    precisions, recalls = [precision_at(r, k) for k in first], [recall_at(r, k) for k in first]
    return np.array([average_precision(r), *looks, *precisions, *recalls, *np.interp(places, *looking_curve(r))])


def _plain(figure: Figure) -> dict[str, float]:
    return {"value": figure.value, "low": figure.low, "high": figure.high}
