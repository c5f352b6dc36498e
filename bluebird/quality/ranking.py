"""What a searcher finds who looks at the pictures best first, as one curve and the figures that are read off it.

With a weight for each picture "looked" is a sum of weights: a count without them, a share of the database with
those of `bluebird.quality.prevalence.weights_at`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bluebird.errors import DataError, UsageError

Flags: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.floating[Any]]
Doubles: TypeAlias = NDArray[np.float64]

ROUNDING = 1e-9
"""A share that is missed by no more than this part of it was reached: sums of weights are rounded."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """A step for each of the M distinct scores that have a weight, best first; all (M,).

    `thresholds` are the scores, falling; `looked` is the weight of the pictures with that score or a higher one, and
    `found` that of the relevant ones among them.
    """

    thresholds: Doubles
    looked: Doubles
    found: Doubles


def ranking(scores: Floats, relevant: Flags, weights: Floats | None = None) -> Ranking:
    """The step curve of scores (N,), high for the target, of pictures that are `relevant` (N,) or not.

    `weights` (N,) are 1 for each where there are none; a picture with 0 is as if it were absent.

    Raises: `UsageError` for arrays that do not fit together; `DataError` for scores or weights that are not finite,
    weights below 0, and where no picture, or none of the target, is left.
    """
    values, relevant = checked(scores, relevant)
    masses = np.ones(len(values)) if weights is None else _checked_weights(weights, len(values))
    order = np.argsort(-values, kind="stable")  # takes what is sorted already, as a bootstrap's, in one go
    order = order[masses[order] > 0]
    values, relevant, masses = values[order], relevant[order], masses[order]
    if not relevant.any():
        raise DataError(f"no picture of the target among {len(values):,}: add some, or name a class that is there")
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    return Ranking(values[last], np.cumsum(masses)[last], np.cumsum(masses * relevant)[last])


def checked(scores: Floats, relevant: Flags) -> tuple[Doubles, Flags]:
    """Scores (N,) as float64 and `relevant` (N,), or what `ranking` raises."""
    values, relevant = np.asarray(scores, np.float64), np.asarray(relevant)
    if values.ndim != 1 or values.shape != relevant.shape:
        raise UsageError(f"scores {values.shape} and relevant {relevant.shape}: expected (N,) and (N,) of one length")
    if not len(values):
        raise DataError("no pictures: expected a score for at least one")
    if relevant.dtype != np.bool_:
        raise UsageError(
            f"relevant is {relevant.dtype}, expected bool: compare the targets with the class you look for"
        )
    if not np.isfinite(values).all():
        raise DataError(f"{_count(~np.isfinite(values))} are NaN or infinite: leave those pictures out of the ranking")
    return values, relevant


def _checked_weights(weights: Floats, count: int) -> Doubles:
    masses = np.asarray(weights, np.float64)
    if masses.shape != (count,):
        raise UsageError(f"weights {masses.shape} for {count:,} scores: expected one for each")
    wrong = ~(np.isfinite(masses) & (masses >= 0))
    if wrong.any():
        raise DataError(f"{_count(wrong, 'weights')} are NaN, infinite or below 0: expected numbers from 0")
    return masses


def _count(wrong: Flags, what: str = "scores") -> str:
    return f"{int(wrong.sum()):,} of {len(wrong):,} {what}"


def precision_recall(r: Ranking) -> tuple[Doubles, Doubles]:
    """(recall (M,), precision (M,)) of what is accepted at each threshold: shares of the found and of the looked at."""
    return r.found / r.found[-1], r.found / r.looked


def average_precision(r: Ranking) -> float:
    """sum_n (R_n - R_{n-1}) P_n, from 0 to 1; 1 where all are relevant. No line is drawn between the steps.

    Source: as scikit-learn's `average_precision_score`; for why no line, Davis & Goadrich 2006 (ICML).
    """
    recall, precision = precision_recall(r)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def looking_curve(r: Ranking) -> tuple[Doubles, Doubles]:
    """(looked (M+1,), share of the relevant found (M+1,)), both rising, from (0, 0); straight between the steps."""
    return np.append(0.0, r.looked), np.append(0.0, r.found / r.found[-1])


def recall_at(r: Ranking, k: float) -> float:
    """The expected share of the relevant ones, 0 to 1, among the first `k` pictures; 1 where `k` is more than all.

    Pictures with the same score come in random order, so that the expectation is a straight line through them.

    Raises: `UsageError` for a `k` that is NaN or below 0.

    Source: McSherry & Najork 2008, "Computing information retrieval performance measures efficiently in the
    presence of tied scores".
    """
    if not k >= 0:
        raise UsageError(f"the first {k} pictures: expected a number from 0")
    return float(np.interp(k, *looking_curve(r)))


def precision_at(r: Ranking, k: float) -> float:
    """The expected share of relevant ones, 0 to 1, among the first `k` pictures, ties as in `recall_at`.

    Where `k` is more than all there are, it is the share among all: what cannot be looked at counts for nothing.

    Raises: `UsageError` for a `k` that is NaN or not above 0.
    """
    if not k > 0:
        raise UsageError(f"precision of the first {k} pictures: expected a number above 0")
    return recall_at(r, k) * float(r.found[-1] / min(k, r.looked[-1]))


def looks_for(r: Ranking, recall: float) -> float:
    """How many pictures must be looked at until the expected share of the relevant ones is `recall`.

    It is the least k with `recall_at(r, k)` of `recall`, and may lie between two pictures. Inside a tie that is not
    the mean of the looks until the picture in question turns up: the only one among 100 equals has an expected share
    of 1 after 100 looks, though on average it is met after 50.5.

    Raises: `UsageError` for a recall outside of (0, 1].
    """
    end = reaching(r, recall)
    looked, share = looking_curve(r)
    return float(np.interp(recall, share[end : end + 2], looked[end : end + 2]))


def reaching(r: Ranking, recall: float) -> int:
    """The number of the first step at which the share `recall`, in (0, 1], of the relevant ones is found."""
    if not 0 < recall <= 1:
        raise UsageError(f"a recall of {recall}: expected a share above 0 and up to 1, as 0.95")
    return int(np.searchsorted(r.found / r.found[-1], recall * (1 - ROUNDING)))
