"""How many pictures of the target a database holds, from what a classifier says of them and of held-out pictures.

All of it rests on one assumption, label shift: the database may hold target and rest in other shares than the held-out
pictures, but each looks the same in both. Another mix of the rest, another camera, or pictures in bursts break it, and
no interval here would notice. `bluebird.quality.sampling` needs no such thing, only a person's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import norm

from bluebird.errors import DataError, UsageError

Floats: TypeAlias = NDArray[np.floating[Any]]
Doubles: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

TOLERANCE, MOST_STEPS = 1e-7, 1000
"""`expectation_maximisation` ends with a step that moves no share by more, or after so many steps."""

RAREST = 0.05
"""`posterior_count` weighs pictures as if the target were no rarer: below, few held-out pictures would decide alone."""

_SUREST = 1e-7  # probabilities are held this far from 0 and 1: there float32 ends, and there are no log odds


@dataclass(frozen=True, slots=True)
class Count:
    """A number of pictures: `estimate`, and the interval from `low` to `high` that holds it with `confidence`."""

    estimate: float
    low: float
    high: float
    confidence: float
    method: str


@dataclass(frozen=True, slots=True)
class _Sample:
    """What is known of a mean: its value, and the variance of one picture's part in it over `size` pictures."""

    mean: float
    variance: float
    size: int


def classify_and_count(database_accepted: int, database_size: int) -> Count:
    """How many pictures a classifier accepts, which says how many there are only where it never errs.

    A rare target drowns in false positives: 1 % of a million others are 10,000. Nothing here bounds the error, and the
    interval says so: from none to all. Source: the baseline of Forman 2008 (Data Min. Knowl. Disc. 17), sec. 2.
    """
    _check_numbers(database_accepted, database_size, "accepted of the database")
    return Count(database_accepted, 0, database_size, 1.0, "classify and count")


def adjusted_count(
    database_accepted: int,
    database_size: int,
    true_positives: int,
    positives: int,
    false_positives: int,
    negatives: int,
    confidence: float = 0.95,
) -> Count:
    """How many there are if so many are accepted, by how many held-out `positives` and `negatives` are accepted.

    The interval counts the error of both rates and that of the database. For a rare target it is wide: what the rate of
    false positives may be off is more than there are of it.

    Raises:
        UsageError: numbers that cannot be, a confidence that is not between 0 and 1.
        DataError: the classifier accepts no more of the target than of the rest.

    Source: estimate of Rogan & Gladen 1978 (Am. J. Epidemiology 107), the adjusted count of Forman 2008. Rates within
    the interval have one accepted and one refused picture added, as in Lang & Reiczigel 2014 (Prev. Vet. Med. 113);
    from there on it departs, see `_count`: theirs is for a population that the database is drawn from, which is wider,
    and shrinks to nothing where it lies below 0.
    """
    _check_numbers(database_accepted, database_size, "accepted of the database")
    _check_numbers(true_positives, positives, "accepted of the target")
    _check_numbers(false_positives, negatives, "accepted of the rest")
    accepted = database_accepted / database_size
    true_rate, false_rate = true_positives / positives, false_positives / negatives
    if true_rate <= false_rate:
        raise DataError(
            f"{true_rate:.3g} of the target and {false_rate:.3g} of the rest are accepted; expected more of it"
        )
    hit, alarm = _rate(true_positives, positives), _rate(false_positives, negatives)
    count = _count(accepted, database_size, hit, alarm, confidence, "adjusted count")
    plain = database_size * min(max((accepted - false_rate) / (true_rate - false_rate), 0.0), 1.0)
    return Count(plain, min(count.low, plain), max(count.high, plain), confidence, count.method)


def expectation_maximisation(probs: Floats, prior: Floats) -> Doubles:
    """The shares (K,) of the classes in a database, from the probs (N, K) of its pictures: the most likely ones.

    `prior` (K,) are the shares of the classes where the probs hold good. They must be calibrated there: what a network
    is too sure of moves the shares, and rare ones most. There is no interval for that reason; see `posterior_count`.
    Where classes are so alike that 1,000 steps do not settle their shares, the likelihood hardly depends on them.
    Takes 8 N K bytes.

    Raises:
        DataError: no picture, probs below 0 or of no class at all, a prior that is not K shares above 0 that sum to 1.

    Source: Saerens, Latinne & Decaestecker 2002 (Neural Computation 14), eq. 2.9; calibration: Alexandari, Kundaje &
    Shrikumar 2020 (arXiv 1901.06852).
    """
    probs, prior = np.asarray(probs, np.float64), np.asarray(prior, np.float64)
    if probs.ndim != 2 or len(probs) == 0 or not (probs >= 0).all() or not (probs.sum(1) > 0).all():
        raise DataError(f"probs have shape {probs.shape}; expected (N, K) shares that are not below 0, no NaN")
    if prior.shape != probs.shape[1:] or not (prior > 0).all() or abs(prior.sum() - 1) > 1e-6:
        raise DataError(f"prior is {prior}; expected {probs.shape[1]} shares above 0 that sum to 1")
    shares = np.array(prior, np.float64)
    for _ in range(MOST_STEPS):
        ratio = shares / prior
        before = shares
        shares = ratio * ((1 / (probs @ ratio)) @ probs) / len(probs)
        if np.abs(shares - before).max() <= TOLERANCE:
            break
    return shares


def posterior_count(database: Floats, validation: Floats, relevant: Bools, confidence: float = 0.95) -> Count:
    """How many there are, from the target's probability in the database (N,) and in held-out pictures (M,).

    `relevant` (M,) says which held-out pictures show the target. Three steps: the held-out pictures calibrate the
    probabilities; `expectation_maximisation` tells how rare the target is about; the mean posterior of the database at
    that prior is then taken for a mixture of the held-out means of target and rest. Thanks to the last the interval
    holds where the calibration is wrong. It is narrower than that of `adjusted_count`, most so for a rare target.

    Raises:
        UsageError: a confidence that is not between 0 and 1.
        DataError: no picture, no probability, or held-out pictures of one kind alone, or that look all the same.

    Source: prior of Saerens et al. 2002; scaled probability average of Bella et al. 2010 (ICDM), a ratio estimator of
    Vaz, Izbicki & Stern 2019 (JMLR 20); calibration of Platt 1999, with his smoothed targets; interval: see `_count`.
    """
    scores, held_out = _log_odds(database, "database"), _log_odds(validation, "validation")
    relevant = np.asarray(relevant)
    if relevant.shape != held_out.shape or relevant.dtype != np.bool_ or not 2 <= relevant.sum() <= len(relevant) - 2:
        raise DataError(
            f"relevant is {relevant.dtype} {relevant.shape} for validation {held_out.shape}; "
            "expected as many true or false, and two of each at least"
        )
    slope, offset, prior = _calibration(held_out, relevant)
    probs = expit(slope * scores + offset)
    share = expectation_maximisation(np.stack([probs, 1 - probs], 1), np.array([prior, 1 - prior]))[0]
    offset += logit(np.clip(share, RAREST, 1 - RAREST)) - logit(prior)
    posterior = expit(slope * held_out + offset)
    target, rest = _mean(posterior[relevant]), _mean(posterior[~relevant])
    mean = float(expit(slope * scores + offset).mean())
    return _count(mean, len(scores), target, rest, confidence, "mean posterior")


def _count(mean: float, size: int, target: _Sample, rest: _Sample, confidence: float, method: str) -> Count:
    """The share x of the target at which the mean of the database is x target + (1 - x) rest, times `size`.

    The interval holds each x whose difference D(x) = mean - x target - (1 - x) rest is, squared, at most z^2 times its
    variance (Fieller 1954, J. R. Stat. Soc. B 16): a quadratic inequality. The database is taken as it is, not as a
    draw: of its pictures x are the target's, and only their values are chance. Where the best x lies beyond 0 or 1,
    what the nearer of them falls short of it is granted to all, so that the interval never shrinks to nothing.
    """
    z2 = float(norm.isf((1 - checked_confidence(confidence)) / 2)) ** 2
    apart, above = target.mean - rest.mean, mean - rest.mean
    if apart <= 0:
        raise DataError(f"{method}: expected the target's held-out pictures to score higher than the rest; they do not")
    x = min(max(above / apart, 0.0), 1.0)
    target_error, rest_error = target.variance / target.size, rest.variance / rest.size
    variance = (x * target.variance + (1 - x) * rest.variance) / size + x**2 * target_error + (1 - x) ** 2 * rest_error
    bound = z2 + (above - x * apart) ** 2 / variance
    a = apart**2 - bound * (target_error + rest_error)
    b = -2 * above * apart - bound * ((target.variance - rest.variance) / size - 2 * rest_error)
    c = above**2 - bound * (rest.variance / size + rest_error)
    if a <= 0:  # so few pictures, or so much alike, that every share agrees with them
        return Count(x * size, 0, size, confidence, method)
    half = max(b**2 - 4 * a * c, 0.0) ** 0.5
    low, high = max((-b - half) / (2 * a), 0.0), min((-b + half) / (2 * a), 1.0)
    return Count(x * size, min(low, x) * size, max(high, x) * size, confidence, method)


def _rate(accepted: int, pictures: int) -> _Sample:
    mean = (accepted + 1) / (pictures + 2)
    return _Sample(mean, mean * (1 - mean), pictures + 2)


def _mean(values: Doubles) -> _Sample:
    """Of values from 0 to 1; half a picture at each end joins the variance, for what a small sample has not seen."""
    mean = float(values.mean())
    unseen = (mean**2 + (1 - mean) ** 2) / 2
    return _Sample(mean, float(((values - mean) ** 2).sum() + unseen) / len(values), len(values))


def _calibration(scores: Doubles, relevant: Bools) -> tuple[float, float, float]:
    """Slope and offset of the log odds of a picture with that score, and the share of the target they hold at."""
    hits, misses = int(relevant.sum()), int((~relevant).sum())
    goals = np.where(relevant, (hits + 1) / (hits + 2), 1 / (misses + 2))
    middle, spread = scores.mean(), max(float(scores.std()), _SUREST)
    standard = (scores - middle) / spread

    def loss(line: Doubles) -> tuple[float, Doubles]:
        odds = line[0] * standard + line[1]
        error = expit(odds) - goals
        return float((np.logaddexp(0, odds) - goals * odds).mean()), np.array([(error * standard).mean(), error.mean()])

    slope, offset = minimize(loss, np.array([1.0, logit(goals.mean())]), jac=True, method="BFGS").x
    return slope / spread, offset - slope * middle / spread, float(goals.mean())


def _log_odds(probs: Floats, name: str) -> Doubles:
    probs = np.asarray(probs, np.float64)
    if probs.ndim != 1 or len(probs) == 0 or not ((probs >= 0) & (probs <= 1)).all():
        raise DataError(
            f"{name} has shape {probs.shape}; expected (N,) probabilities of the target from 0 to 1, no NaN"
        )
    odds: Doubles = logit(np.clip(probs, _SUREST, 1 - _SUREST))
    return odds


def checked_confidence(confidence: float) -> float:
    """The confidence itself; raises `UsageError` unless it lies between 0 and 1."""
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence}; expected a share between 0 and 1, as 0.95")
    return confidence


def _check_numbers(part: int, whole: int, name: str) -> None:
    if not (0 <= part <= whole and whole > 0):
        raise UsageError(f"{part} {name}, out of {whole}; expected 0 to all of them, and one at least")
