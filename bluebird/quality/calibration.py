"""Whether probabilities can be taken at their word: of a hundred pictures at 0.8, eighty should be what is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import beta

from bluebird.errors import DataError, UsageError

Floats: TypeAlias = NDArray[np.floating[Any]]
Doubles: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]
Bools: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.int64]

TEMPERATURES = (0.01, 100.0)
"""The least and the greatest temperature that `fit_temperature` gives."""

_SUM_TOLERANCE = 1e-3  # float16 probabilities of a thousand classes still pass


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram of B bins of equal width; a bin holds its upper edge, the first one 0 as well.

    `edges` (B + 1,) from 0 to 1; `counts` (B,) of pictures; `confidence` (B,) their mean, and `observed` (B,) the share
    of them that were correct, both NaN where a bin is empty; `low` and `high` (B,) the ends of an exact interval for
    that share, at the level asked for, 0 and 1 where a bin is empty.
    """

    edges: Doubles
    counts: Indices
    confidence: Doubles
    observed: Doubles
    low: Doubles
    high: Doubles


def negative_log_likelihood(probs: Floats, targets: Integers) -> float:
    """The mean of -ln p of each picture's own class, 0 at best; infinite where one of them was given 0.

    Takes probs (N, K), rows that sum to one, and targets (N,) from 0 to K - 1; raises `DataError` for anything else.
    """
    with np.errstate(divide="ignore"):
        return float(-np.log(_own(_checked_probs(probs), targets)).mean())


def brier_score(probs: Floats, targets: Integers) -> float:
    """The mean over pictures of sum_k (p_k - y_k)^2, 0 at best and 2 at worst; y is 1 for the picture's class, else 0.

    Takes and raises what `negative_log_likelihood` does. Source: Brier 1950 (Monthly Weather Review 78), eq. 2: the sum
    goes over all classes, so that for two of them it is twice the score of the one that is often given instead.
    """
    probs = _checked_probs(probs)
    return float(((probs**2).sum(1) - 2 * _own(probs, targets) + 1).mean())


def reliability(confidence: Floats, correct: Bools, bins: int = 15, level: float = 0.95) -> Reliability:
    """How often pictures were what they were said to be, by how surely it was said.

    `confidence` (N,) of 0 to 1 is that of the top class, and `correct` (N,) whether it was the picture's own; or the
    probability of the target, and whether the picture shows it.

    Raises:
        DataError: no picture, lengths that differ, a confidence that is no share.
        UsageError: no bin, or a level that is not between 0 and 1.

    Source: Guo et al. 2017 (arXiv 1706.04599), sec. 2; intervals of Clopper & Pearson 1934 (Biometrika 26).
    """
    confidence, correct = _checked_pair(confidence, correct)
    if bins < 1 or not 0 < level < 1:
        raise UsageError(f"{bins} bins at level {level}; expected at least 1 bin and a level between 0 and 1")
    edges = np.linspace(0, 1, bins + 1)
    own = np.searchsorted(edges[1:-1], confidence)
    counts = np.bincount(own, minlength=bins)
    hits = np.bincount(own, correct, bins).astype(np.float64)
    with np.errstate(invalid="ignore"):
        means, shares = np.bincount(own, confidence, bins) / counts, hits / counts
    return Reliability(edges, counts, means, shares, *_clopper_pearson(hits, counts, level))


def expected_calibration_error(diagram: Reliability) -> float:
    """The mean over pictures of their bin's |observed share - mean confidence|, 0 at best, at most 1.

    It leans on the bins and is above 0 by chance alone: compare it only at one number of pictures and of bins.

    Source: Naeini, Cooper & Hauskrecht 2015 (AAAI); Guo et al. 2017 (arXiv 1706.04599), eq. 3.
    """
    full = diagram.counts > 0
    gaps = np.abs(diagram.observed[full] - diagram.confidence[full])
    return float(np.average(gaps, weights=diagram.counts[full]))


def fit_temperature(logits: Floats, targets: Integers) -> float:
    """The T at which softmax(logits / T) gives held-out targets the least negative log-likelihood: above 1, too sure.

    Takes logits (N, K) and targets (N,). The answer lies within `TEMPERATURES`: so low that the loss is all but 0 where
    each picture's own class has the greatest logit, the upper end where the logits say nothing or the opposite of the
    truth; 1 where every row is of one value, so that no temperature matters.

    Raises:
        DataError: no picture, fewer than two classes, a logit that is no number, targets that do not fit.

    Source: Guo et al. 2017 (arXiv 1706.04599), sec. 4.2. The loss is convex in 1 / T, so that its minimum over ln T,
    found by Brent's bounded search, is the only one.
    """
    logits = _matrix(logits, "logits")
    _own(logits, targets)
    if np.ptp(logits, axis=1).max() == 0:
        return 1.0
    found = minimize_scalar(
        lambda log_t: -_own(log_softmax(logits / np.exp(log_t), axis=1), targets).mean(),
        bounds=np.log(TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-7},
    )
    return float(np.exp(found.x))


def _clopper_pearson(hits: Doubles, counts: Indices, level: float) -> tuple[Doubles, Doubles]:
    misses, tail = counts - hits, (1 - level) / 2
    low = beta.ppf(tail, np.maximum(hits, 1), misses + 1)
    high = beta.ppf(1 - tail, hits + 1, np.maximum(misses, 1))
    return np.where(hits > 0, low, 0.0), np.where(misses > 0, high, 1.0)


def _own(values: Doubles, targets: Integers) -> Doubles:
    """Each row's value at its target."""
    targets = np.asarray(targets)
    rows, classes = values.shape
    if targets.shape != (rows,) or not np.issubdtype(targets.dtype, np.integer):
        raise DataError(f"targets are {targets.dtype} {targets.shape}; expected {rows} whole numbers, one for each row")
    if targets.min() < 0 or targets.max() >= classes:
        raise DataError(f"targets go from {targets.min()} to {targets.max()}; expected 0 to {classes - 1}")
    own: Doubles = values[np.arange(rows), targets]
    return own


def _matrix(values: Floats, name: str) -> Doubles:
    matrix = np.asarray(values, np.float64)
    if matrix.ndim != 2 or len(matrix) == 0 or matrix.shape[1] < 2:
        raise DataError(f"{name} have shape {matrix.shape}; expected (N, K) with a picture and two classes at least")
    if not np.isfinite(matrix).all():
        raise DataError(f"{name} hold NaN or infinity; expected numbers: leave out pictures that have none")
    return matrix


def _checked_probs(probs: Floats) -> Doubles:
    matrix = _matrix(probs, "probs")
    if matrix.min() < 0 or np.abs(matrix.sum(1) - 1).max() > _SUM_TOLERANCE:
        raise DataError("probs are not shares that sum to 1 in each row; expected what softmax gives, not logits")
    return matrix


def _checked_pair(confidence: Floats, correct: Bools) -> tuple[Doubles, Bools]:
    said: Doubles = np.asarray(confidence, np.float64)
    correct = np.asarray(correct)
    if said.ndim != 1 or len(said) == 0 or correct.shape != said.shape or correct.dtype != np.bool_:
        raise DataError(
            f"confidence has shape {said.shape} and correct is {correct.dtype} {correct.shape}; "
            "expected (N,) each, at least one picture, and correct as true or false"
        )
    if not ((said >= 0) & (said <= 1)).all():
        raise DataError("confidence holds a value that is not between 0 and 1; expected probabilities")
    return said, correct
