"""How well a score tells pictures of known classes from pictures of classes that were never seen.

A network that knows 80 birds takes an 81st for one of them. Each method here gives a familiarity, high for what the
network knows; `auroc` and `false_positives_at_recall` say how far that can be relied on, of pictures of both sorts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bluebird.errors import DataError, UsageError

Floats: TypeAlias = NDArray[np.floating[Any]]
Doubles: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]

NEIGHBOURS = 5
"""The k of `METHODS`' nearest neighbour, or as many as the bank has; below the pictures of a small class."""

_ROWS = 1024
"""Pictures compared with the bank at a time: 10,000 of them against 10,000 take 80 MB, not 800."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a network says of N pictures: `logits` (N, K) and `features` (N, F)."""

    logits: Floats
    features: Floats


@dataclass(frozen=True, slots=True)
class Bank:
    """The pictures a network was trained on: `features` (M, F) and `targets` (M,)."""

    features: Floats
    targets: Integers


def maximum_softmax(logits: Floats) -> Doubles:
    """The greatest probability (N,) of logits (N, K). Source: Hendrycks & Gimpel 2017 (arXiv 1610.02136)."""
    return np.exp(maximum_logit(logits) - energy(logits))


def maximum_logit(logits: Floats) -> Doubles:
    """The greatest of logits (N, K), as (N,). Source: Hendrycks et al. 2022 (arXiv 1911.11132), sec. 3."""
    greatest: Doubles = _matrix(logits, "logits").max(1)
    return greatest


def energy(logits: Floats) -> Doubles:
    """log sum_k exp(z_k) of logits (N, K), as (N,).

    Source: the negative energy, at temperature 1, of Liu et al. 2020 (arXiv 2010.03759), eq. 4.
    """
    values: Doubles = np.logaddexp.reduce(_matrix(logits, "logits"), axis=1)
    return values


def nearest_neighbour(features: Floats, bank: Floats, k: int = NEIGHBOURS) -> Doubles:
    """Minus the distance (N,) of features (N, F) to the k-th nearest of bank (M, F), all at length one; -2 to 0.

    Features of nothing but zeros have no direction and stay at zero, a distance of 1 from all others.

    Raises:
        UsageError: k is not between 1 and M, or the two differ in F.

    Source: Sun et al. 2022 (arXiv 2204.06507), sec. 3; the authors take k = 50 for 50,000 pictures of CIFAR-10.
    """
    asked, known = _pair(features, bank)
    if not 1 <= k <= len(known):
        raise UsageError(f"k is {k}; expected 1 to {len(known)}, the number of known pictures")
    known = _unit(known)
    return -np.concatenate([_kth_distance(_unit(rows), known, k) for rows in _blocks(asked)])


def mahalanobis(features: Floats, bank: Floats, targets: Integers) -> Doubles:
    """Minus the squared Mahalanobis distance (N,) of features (N, F) to the nearest class mean of bank (M, F).

    All classes share one covariance, that of the bank round its class means, shrunk towards a multiple of the identity
    by as much as Ledoit and Wolf reckon: with F near M, or above it, the plain one has no inverse worth the name.

    Raises:
        UsageError: shapes that do not fit one another.
        DataError: the covariance has no inverse even so, as where no class has two pictures that differ.

    Source: Lee et al. 2018 (arXiv 1807.03888), eq. 1 and 2, at the last layer and without its perturbed inputs, which
    want unknown pictures to tune by; the shrinkage from Ledoit & Wolf 2004 (J. Multivariate Analysis 88).
    """
    asked, known = _pair(features, bank)
    means, own = _class_means(known, targets)
    return -_nearest_mean(asked, means, _whitening(known - means[own]))


def relative_mahalanobis(features: Floats, bank: Floats, targets: Integers) -> Doubles:
    """`mahalanobis` plus the squared distance (N,) to one Gaussian of the whole bank: what all birds share drops out.

    Raises what `mahalanobis` raises. Source: Ren et al. 2021 (arXiv 2106.09022), eq. 2 and 3.
    """
    asked, known = _pair(features, bank)
    mean = known.mean(0, keepdims=True)
    background = _nearest_mean(asked, mean, _whitening(known - mean))
    return mahalanobis(asked, known, targets) + background


Method: TypeAlias = Callable[[Evidence, Bank], Doubles]
METHODS: dict[str, Method] = {
    "maximum softmax": lambda asked, bank: maximum_softmax(asked.logits),
    "maximum logit": lambda asked, bank: maximum_logit(asked.logits),
    "energy": lambda asked, bank: energy(asked.logits),
    "nearest neighbour": lambda asked, bank: nearest_neighbour(
        asked.features, bank.features, min(NEIGHBOURS, len(bank.features))
    ),
    "mahalanobis": lambda asked, bank: mahalanobis(asked.features, bank.features, bank.targets),
    "relative mahalanobis": lambda asked, bank: relative_mahalanobis(asked.features, bank.features, bank.targets),
}
"""By name, the familiarity (N,) of pictures asked about, given the bank of known ones."""


def auroc(known: Floats, unknown: Floats) -> float:
    """How often a known picture is more familiar than an unknown one, 0 to 1, ties half: 0.5 is a guess.

    Takes familiarity (N,) and (M,); raises `DataError` where a side is empty or holds NaN. Source: the area under the
    ROC curve as Mann and Whitney's U over N M; Hanley & McNeil 1982 (Radiology 143).
    """
    known, unknown = _scores(known, "known"), np.sort(_scores(unknown, "unknown"))
    below, up_to = (np.searchsorted(unknown, known, side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(unknown)))


def false_positives_at_recall(known: Floats, unknown: Floats, recall: float = 0.95) -> float:
    """The share of unknown pictures that pass the greatest threshold which `recall` of the known ones pass, 0 to 1.

    Takes familiarity (N,) and (M,); a picture passes with the threshold itself or more. Raises `DataError` where a side
    is empty or holds NaN, `UsageError` where `recall` is not above 0 and at most 1. Source: FPR95 of Liang et al. 2018
    (arXiv 1706.02690), sec. 4.2.
    """
    if not 0 < recall <= 1:
        raise UsageError(f"recall is {recall}; expected a share above 0 and at most 1")
    falling = np.sort(_scores(known, "known"))[::-1]
    shares = np.arange(1, len(falling) + 1) / len(falling)
    threshold = falling[np.searchsorted(shares, recall)]
    return float((_scores(unknown, "unknown") >= threshold).mean())


def _unit(rows: Doubles) -> Doubles:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: Doubles = rows / np.where(lengths > 0, lengths, 1)
    return units


def _kth_distance(rows: Doubles, bank: Doubles, k: int) -> Doubles:
    kth: Doubles = np.sqrt(np.partition(_squared_distances(rows, bank), k - 1, axis=1)[:, k - 1])
    return kth


def _squared_distances(rows: Doubles, others: Doubles) -> Doubles:
    """(N, M) of rows (N, F) and others (M, F); rounding takes none below zero."""
    squares = (rows**2).sum(1)[:, None] + (others**2).sum(1) - 2 * rows @ others.T
    positive: Doubles = np.maximum(squares, 0)
    return positive


def _class_means(bank: Doubles, targets: Integers) -> tuple[Doubles, NDArray[np.intp]]:
    """Means (C, F) of the classes there are, and the number (M,) of each picture's own."""
    if np.shape(targets) != (len(bank),):
        raise UsageError(f"targets is {np.shape(targets)}; expected ({len(bank)},), one for each row of the bank")
    classes, own = np.unique(targets, return_inverse=True)
    return np.stack([bank[own == number].mean(0) for number in range(len(classes))]), own


def _whitening(residuals: Doubles) -> Doubles:
    """W (F, F) with W W^T the inverse of the covariance of residuals (M, F), shrunk after Ledoit and Wolf."""
    count, width = residuals.shape
    covariance = residuals.T @ residuals / count
    scale = np.trace(covariance) / width
    spread = (covariance**2).sum() - width * scale**2  # squared Frobenius distance to the multiple of the identity
    error = (((residuals**2).sum(1) ** 2).mean() - (covariance**2).sum()) / count
    shrinkage = min(error / spread, 1.0) if spread > 0 else 0.0
    values, vectors = np.linalg.eigh((1 - shrinkage) * covariance + shrinkage * scale * np.eye(width))
    if values[0] <= width * np.finfo(np.float64).eps * values[-1]:
        raise DataError(f"the covariance of {count} pictures has no inverse; expected more pictures of each class")
    whitening: Doubles = vectors / np.sqrt(values)
    return whitening


def _nearest_mean(rows: Doubles, means: Doubles, whitening: Doubles) -> Doubles:
    """Squared distance (N,) of rows (N, F) to the nearest of means (C, F), where `whitening` makes a sphere."""
    middle = means.mean(0)  # taken out first, or a far origin eats the digits
    places = (means - middle) @ whitening
    return np.concatenate([_squared_distances((b - middle) @ whitening, places).min(1) for b in _blocks(rows)])


def _blocks(rows: Doubles) -> Iterator[Doubles]:
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))


def _pair(features: Floats, bank: Floats) -> tuple[Doubles, Doubles]:
    asked, known = _matrix(features, "features"), _matrix(bank, "bank")
    if asked.shape[1] != known.shape[1]:
        raise UsageError(f"features is {asked.shape} and bank {known.shape}; expected rows of one length")
    return asked, known


def _matrix(values: Floats, name: str) -> Doubles:
    rows = np.asarray(values, np.float64)
    if rows.ndim != 2 or not rows.size:
        raise UsageError(f"{name} is {rows.shape}; expected a row for each of at least one picture")
    if not np.isfinite(rows).all():
        raise DataError(
            f"{name} holds NaN or an infinite value; expected finite numbers: look for a network gone astray"
        )
    return rows


def _scores(values: Floats, name: str) -> Doubles:
    scores = np.asarray(values, np.float64)
    if scores.ndim != 1 or not len(scores):
        raise DataError(f"{name} is {scores.shape}; expected the familiarity of at least one {name} picture, (N,)")
    if np.isnan(scores).any():
        raise DataError(f"{name} holds NaN; expected numbers: look for a network gone astray")
    return scores
