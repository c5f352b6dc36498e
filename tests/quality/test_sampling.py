from __future__ import annotations

from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, hypergeom

from bluebird.errors import BluebirdError, DataError, UsageError
from bluebird.quality.sampling import draw, estimate, hypergeometric_interval


def ways(found: int, drawn: int, population: int, number: int) -> Fraction:
    return Fraction(comb(number, found) * comb(population - number, drawn - found), comb(population, drawn))


def by_brute_force(found: int, drawn: int, population: int, tail: Fraction) -> tuple[int, int]:
    """Every number is tried, in whole fractions."""
    kept = []
    for number in range(found, population - drawn + found + 1):
        many = sum((ways(n, drawn, population, number) for n in range(found, drawn + 1)), Fraction(0))
        few = sum((ways(n, drawn, population, number) for n in range(found + 1)), Fraction(0))
        if min(many, few) >= tail:
            kept.append(number)
    assert kept == list(range(kept[0], kept[-1] + 1))
    return kept[0], kept[-1]


@pytest.mark.parametrize("population", [1, 2, 7, 16])
@pytest.mark.parametrize("confidence", ["0.5", "0.9", "0.95"])
def test_the_interval_is_that_of_all_numbers_tried(population: int, confidence: str) -> None:
    for drawn in range(population + 1):
        for found in range(drawn + 1):
            expected = by_brute_force(found, drawn, population, (1 - Fraction(confidence)) / 2)
            assert hypergeometric_interval(found, drawn, population, float(confidence)) == expected


@pytest.mark.parametrize(("found", "drawn"), [(0, 100), (1, 300), (7, 500), (400, 1000), (1000, 1000)])
def test_of_ten_million_one_step_further_on_either_side_is_too_unlikely(found: int, drawn: int) -> None:
    population = 10_000_000
    low, high = hypergeometric_interval(found, drawn, population)
    assert low == found or hypergeom.pmf(range(found, drawn + 1), population, low - 1, drawn).sum() <= 0.025
    assert hypergeom.pmf(range(found, drawn + 1), population, low, drawn).sum() > 0.025
    assert hypergeom.pmf(range(found + 1), population, high, drawn).sum() > 0.025
    beyond = population - drawn + found
    assert high == beyond or hypergeom.pmf(range(found + 1), population, high + 1, drawn).sum() <= 0.025


def test_for_a_small_sample_of_many_it_comes_to_that_of_clopper_and_pearson() -> None:
    low, high = hypergeometric_interval(9, 200, 10_000_000)
    share = binomtest(9, 200).proportion_ci(0.95, "exact")
    assert (low / 1e7, high / 1e7) == pytest.approx((share.low, share.high), rel=1e-4)


def test_none_drawn_says_nothing_and_all_drawn_says_all() -> None:
    assert hypergeometric_interval(0, 0, 50) == (0, 50)
    assert hypergeometric_interval(0, 0, 0) == (0, 0)
    assert hypergeometric_interval(17, 50, 50) == (17, 17)


def test_it_turns_round_with_what_is_looked_for() -> None:
    low, high = hypergeometric_interval(3, 40, 900)
    assert hypergeometric_interval(37, 40, 900) == (900 - high, 900 - low)


def coverage(population: int, drawn: int, number: int) -> float:
    """The probability that the interval holds the number, summed over all that may be found."""
    chances = hypergeom.pmf(range(drawn + 1), population, number, drawn)
    kept = [
        low <= number <= high for low, high in (hypergeometric_interval(n, drawn, population) for n in range(drawn + 1))
    ]
    return float(chances[kept].sum())


@pytest.mark.parametrize(("population", "drawn"), [(30, 10), (200, 25), (5000, 40)])
def test_whatever_the_number_it_is_held_as_often_as_promised(population: int, drawn: int) -> None:
    numbers = sorted({*range(0, population + 1, max(population // 12, 1)), 1, 2, population - 1})
    shares = [coverage(population, drawn, number) for number in numbers]
    assert min(shares) >= 0.95 - 1e-9
    assert min(shares) < 0.995  # nor is it the whole range


def test_the_best_are_all_looked_at_and_the_rest_by_lot() -> None:
    scores = np.random.default_rng(1).random(1000)
    census, sample = draw(scores, 20, 50, seed=3)
    assert census.tolist() == sorted(range(1000), key=lambda n: -scores[n])[:20]
    assert len(set(sample)) == 50
    assert not set(sample) & set(census)


def test_among_equals_the_earlier_one_is_looked_at_and_a_seed_gives_the_same_again() -> None:
    scores = np.array([0.5, 0.9, 0.5, 0.5, 0.9, 0.1])
    census, sample = draw(scores, 4, 2, seed=0)
    assert census.tolist() == [1, 4, 0, 2]
    assert sorted(sample) == [3, 5]
    big = np.zeros(10_000)
    assert draw(big, 3, 30, seed=5)[1].tolist() == draw(big, 3, 30, seed=5)[1].tolist()
    assert draw(big, 3, 30, seed=5)[1].tolist() != draw(big, 3, 30, seed=6)[1].tolist()


def test_every_picture_of_the_rest_is_as_likely_in_every_place() -> None:
    drawn = np.array([draw(np.arange(12), 2, 3, seed)[1] for seed in range(4000)])  # 10 in the rest
    for place in range(3):
        counts = np.bincount(drawn[:, place], minlength=12)
        assert counts[10:].tolist() == [0, 0]
        assert np.abs(counts[:10] - 400).max() < 5 * np.sqrt(4000 * 0.1 * 0.9)


def test_infinite_scores_have_their_place() -> None:
    assert draw(np.array([0.0, -np.inf, np.inf]), 3, 0, 0)[0].tolist() == [2, 0, 1]


def test_the_count_is_the_census_and_what_the_rest_may_hold() -> None:
    count = estimate(140, 3, 400, 99_000)
    low, high = hypergeometric_interval(3, 400, 99_000)
    assert (count.low, count.high) == (140 + low, 140 + high)
    assert count.estimate == 140 + 99_000 * 3 / 400
    assert count.confidence == 0.95


def test_a_rest_that_was_looked_at_in_full_leaves_no_doubt_and_one_that_was_not_all_of_it() -> None:
    full, none = estimate(5, 2, 30, 30), estimate(5, 0, 0, 30)
    assert (full.estimate, full.low, full.high) == (7, 7, 7)
    assert (none.estimate, none.low, none.high) == (5, 5, 35)


@pytest.mark.parametrize(
    ("call", "arguments", "error"),
    [
        (draw, (np.zeros(5), 3, 3, 0), UsageError),
        (draw, (np.zeros(5), -1, 3, 0), UsageError),
        (draw, (np.zeros(5), 1, -3, 0), UsageError),
        (draw, (np.array([0.0, np.nan]), 1, 1, 0), DataError),
        (draw, (np.zeros((2, 2)), 1, 1, 0), DataError),
        (hypergeometric_interval, (-1, 5, 10), UsageError),
        (hypergeometric_interval, (6, 5, 10), UsageError),
        (hypergeometric_interval, (1, 11, 10), UsageError),
        (hypergeometric_interval, (1, 5, 10, 1.0), UsageError),
        (estimate, (-1, 0, 5, 10), UsageError),
    ],
)
def test_a_sample_that_cannot_be_is_refused(call: Any, arguments: Any, error: type[BluebirdError]) -> None:
    with pytest.raises(error, match=r"^[^\n]*expected[^\n]*$"):
        call(*arguments)


@pytest.mark.trial
@pytest.mark.parametrize(("prevalence", "sample"), [(0.1, 200), (0.01, 200), (0.01, 1000), (0.001, 1000)])
def test_of_a_thousand_searches_the_promised_share_holds_the_truth(prevalence: float, sample: int) -> None:
    rng = np.random.default_rng(7)
    held, widths, pictures = 0, 0.0, 20_000
    for seed in range(1000):
        relevant = rng.random(pictures) < prevalence
        census, rest = draw(rng.normal(0, 1, pictures) + 2 * relevant, 500, sample, seed)
        count = estimate(int(relevant[census].sum()), int(relevant[rest].sum()), sample, pictures - 500)
        held += count.low <= relevant.sum() <= count.high
        widths += count.high - count.low
    print(f"prevalence {prevalence}, sample {sample}: {held / 10:.1f} % held, width {widths / 1000:.0f} pictures")  # noqa: T201
    assert held >= 936  # 950 less two standard errors
