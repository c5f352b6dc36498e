"""How many pictures of the target there are, from those a person looked at: the best ones, and some of the rest by lot.

No model is trusted but to put them in order: a bad order costs looking, and never the truth of the interval.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from bluebird.errors import DataError, UsageError
from bluebird.quality.counting import Count, checked_confidence

Floats: TypeAlias = NDArray[np.floating[Any]]
Indices: TypeAlias = NDArray[np.int64]

_ROUNDING = 1e-9  # a probability that is the tail's own, but for rounding, keeps its number in the interval


def draw(scores: Floats, top: int, sample: int, seed: int) -> tuple[Indices, Indices]:
    """The pictures to look at: the `top` best of scores (N,), best first, and `sample` of the rest, drawn by lot.

    Both are places in `scores`. Among equal scores the earlier picture is the better one, so that a seed always gives
    the same answer. The lot is a simple random sample without replacement, and in random order: whoever stops early
    has looked at a smaller one.

    Raises:
        DataError: scores that are not one row, or hold NaN.
        UsageError: more pictures asked for than there are, or fewer than none.
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or np.isnan(scores).any():
        raise DataError(
            f"scores have shape {scores.shape} or hold NaN; expected (N,) numbers: leave the unread ones out"
        )
    if top < 0 or sample < 0 or top + sample > len(scores):
        raise UsageError(
            f"the {top} best and {sample} of the rest, out of {len(scores)} pictures; expected fewer, not below 0"
        )
    order = np.argsort(-scores, kind="stable")
    return order[:top], np.random.default_rng(seed).choice(order[top:], sample, replace=False)


def hypergeometric_interval(found: int, drawn: int, population: int, confidence: float = 0.95) -> tuple[int, int]:
    """How many of a population there may be, least and most, if `found` of `drawn` without replacement were among them.

    Exact: whatever the number is, the interval holds it in at least `confidence` of all draws; more often than asked,
    for numbers are whole. Where all are drawn it is the number found; where none is, from 0 to all.

    Raises:
        UsageError: numbers that cannot be, a confidence that is not between 0 and 1.

    Source: the numbers at which neither tail, of `found` or more and of `found` or fewer, has a probability below
    (1 - confidence) / 2: Buonaccorsi 1987 (The American Statistician 41), the finite twin of Clopper & Pearson 1934.
    Wang 2015 (J. American Statistical Association 110) has shorter ones, which take a search over all outcomes.
    """
    if not 0 <= found <= drawn <= population:
        raise UsageError(f"{found} found, {drawn} drawn of {population}; expected none below 0 and none above the next")
    tail = (1 - checked_confidence(confidence)) / 2 * (1 - _ROUNDING)
    possible = range(found, population - drawn + found + 1)

    def enough(number: int) -> bool:
        return bool(found == 0 or hypergeom.sf(found - 1, population, number, drawn) >= tail)

    def too_many(number: int) -> bool:
        return bool(hypergeom.cdf(found, population, number, drawn) < tail)

    low = possible.start + bisect_left(possible, True, key=enough)
    high = possible.start + bisect_left(possible, True, key=too_many) - 1
    return low, high


def estimate(
    census_found: int, sample_found: int, sample_drawn: int, rest_size: int, confidence: float = 0.95
) -> Count:
    """How many there are in all, if `census_found` of the best and `sample_found` of `sample_drawn` others were it.

    `rest_size` is how many pictures the sample was drawn from. The best were all looked at and add no error. Where
    nothing was drawn from a rest, the estimate is what was found, and the interval runs to all of the rest.

    Raises what `hypergeometric_interval` does.
    """
    if census_found < 0:
        raise UsageError(f"{census_found} found among the best; expected a number that is not below 0")
    low, high = hypergeometric_interval(sample_found, sample_drawn, rest_size, confidence)
    share = sample_found / sample_drawn if sample_drawn else 0.0
    return Count(
        estimate=census_found + share * rest_size,
        low=census_found + low,
        high=census_found + high,
        confidence=confidence,
        method="looked at the best, sampled the rest",
    )
