from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from bluebird.errors import BluebirdError, DataError, UsageError
from bluebird.quality.counting import (
    Count,
    adjusted_count,
    classify_and_count,
    expectation_maximisation,
    posterior_count,
)

Z = 1.959963984540054


def test_the_accepted_are_counted_and_nothing_bounds_their_error() -> None:
    assert classify_and_count(30, 1000) == Count(30, 0, 1000, 1.0, "classify and count")


def test_the_estimate_is_that_of_rogan_and_gladen_worked_by_hand() -> None:
    count = adjusted_count(300, 1000, 80, 100, 20, 200)  # (0.3 - 0.1) / (0.8 - 0.1) of 1000
    assert count.estimate == pytest.approx(2000 / 7)
    assert count.low < count.estimate < count.high


NUMBERS = [
    (300, 1000, 80, 100, 20, 200),
    (990, 1000, 95, 100, 10, 200),
    (40, 20_000, 58, 60, 1, 540),
    (70, 2000, 99, 100, 7, 200),
    (0, 500, 9, 10, 0, 40),
    (20, 2000, 90, 100, 12, 200),  # fewer than the rest alone would give
    (1999, 2000, 60, 100, 2, 200),  # more than the target alone would give
    (500, 1000, 6, 10, 4, 10),  # that says nothing
]


def by_trial(numbers: tuple[int, int, int, int, int, int]) -> tuple[float, float]:
    """Every share of a fine grid is tried: is its difference from what was accepted within z of its errors?"""
    accepted, size, hits, positives, alarms, negatives = numbers
    hit, alarm = (hits + 1) / (positives + 2), (alarms + 1) / (negatives + 2)
    x = np.linspace(0, 1, 200_001)
    of_target, of_rest = hit * (1 - hit), alarm * (1 - alarm)
    variance = (x * of_target + (1 - x) * of_rest) / size
    variance += x**2 * of_target / (positives + 2) + (1 - x) ** 2 * of_rest / (negatives + 2)
    surprise = (accepted / size - x * hit - (1 - x) * alarm) ** 2 / variance
    kept = x[surprise <= Z**2 + surprise.min()]
    return kept[0] * size, kept[-1] * size


@pytest.mark.parametrize("numbers", NUMBERS)
def test_the_interval_holds_the_shares_that_pass_when_each_is_tried(numbers: Any) -> None:
    count = adjusted_count(*numbers)
    low, high = by_trial(numbers)
    assert (count.low, count.high) == pytest.approx((low, high), abs=numbers[1] * 1e-4)
    assert 0 <= count.low <= count.estimate <= count.high <= numbers[1]


def test_for_many_pictures_the_interval_is_that_of_lang_and_reiczigel() -> None:
    accepted, size, hits, positives, alarms, negatives = 10**9 // 4, 10**9, 9000, 10_000, 1000, 20_000
    se, sp, ap = (hits + 1) / (positives + 2), 1 - (alarms + 1) / (negatives + 2), accepted / size
    share = (ap + sp - 1) / (se + sp - 1)  # eq. 2
    of_se, of_sp = se * (1 - se) / (positives + 2), sp * (1 - sp) / (negatives + 2)
    shift = 2 * Z**2 * (share * of_se - (1 - share) * of_sp)  # eq. 17
    error = math.sqrt(ap * (1 - ap) / size + share**2 * of_se + (1 - share) ** 2 * of_sp) / (se + sp - 1)
    count = adjusted_count(accepted, size, hits, positives, alarms, negatives)
    assert (count.high - count.low) / size == pytest.approx(2 * Z * error, rel=1e-3)
    assert (count.high + count.low) / 2 / size == pytest.approx(share + shift, rel=1e-3)


def test_an_interval_never_shrinks_to_nothing_and_more_pictures_make_it_narrower() -> None:
    few, many = adjusted_count(1, 1000, 45, 50, 10, 100), adjusted_count(10, 10_000, 4500, 5000, 1000, 10_000)
    assert few.estimate == many.estimate == few.low == many.low == 0
    assert few.high / 1000 > many.high / 10_000 > 0
    sure, surer = adjusted_count(300, 1000, 80, 100, 20, 200, 0.5), adjusted_count(300, 1000, 80, 100, 20, 200, 0.99)
    assert surer.low < sure.low < sure.high < surer.high


def gaussians(count: int, share: float, seed: int = 0) -> Any:
    """Which of so many pictures are of the target, and their values: round 2.5 if so, else round 0."""
    rng = np.random.default_rng(seed)
    relevant = rng.random(count) < share
    return relevant, rng.normal(0, 1, count) + 2.5 * relevant


def test_the_shares_of_two_classes_are_where_the_likelihood_s_slope_is_zero() -> None:
    _, values = gaussians(3000, 0.07)
    probs = expit(2.5 * values - 2.5**2 / 2)
    ratio = probs / (1 - probs)
    expected = brentq(lambda x: ((ratio - 1) / (1 + x * (ratio - 1))).sum(), 0, 1, xtol=1e-12)
    shares = expectation_maximisation(np.stack([probs, 1 - probs], 1), np.array([0.5, 0.5]))
    assert shares == pytest.approx([expected, 1 - expected], abs=1e-6)
    assert shares[0] == pytest.approx(0.07, abs=0.02)


def test_the_shares_of_several_classes_are_the_most_likely_ones() -> None:
    rng = np.random.default_rng(5)
    prior, true = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.6, 0.25, 0.1, 0.05])
    values = 3 * np.eye(4)[rng.choice(4, 2000, p=true)] + rng.normal(0, 1, (2000, 4))
    probs = softmax(3 * values + np.log(prior), axis=1)

    def unlikely(free: Any) -> float:
        return float(-np.log(probs @ (softmax(np.append(free, 0)) / prior)).sum())

    expected = softmax(np.append(minimize(unlikely, np.zeros(3)).x, 0))
    assert expectation_maximisation(probs, prior) == pytest.approx(expected, abs=1e-4)


def test_where_the_classifier_is_certain_the_shares_are_those_it_tells() -> None:
    probs = np.eye(3)[[0, 0, 0, 1]]
    assert expectation_maximisation(probs, np.full(3, 1 / 3)) == pytest.approx([0.75, 0.25, 0])
    prior = np.array([0.2, 0.8])
    assert expectation_maximisation(np.tile(prior, (9, 1)), prior) == pytest.approx(prior)


def test_two_values_of_a_probability_count_as_accepted_and_refused() -> None:
    database, validation = np.repeat([0.9, 0.3], [300, 700]), np.repeat([0.9, 0.3, 0.9, 0.3], [80, 20, 20, 180])
    count = posterior_count(database, validation, np.arange(300) < 100)
    by_rates = adjusted_count(300, 1000, 80, 100, 20, 200)
    assert count.estimate == pytest.approx(by_rates.estimate, rel=1e-6)
    assert (count.low, count.high) == pytest.approx((by_rates.low, by_rates.high), rel=0.05)


@pytest.mark.parametrize(("share", "taken"), [(0.2, None), (0.01, 0.05)])
def test_the_posteriors_are_those_at_the_database_s_own_prior_but_not_below_one_in_twenty(
    share: float, taken: float | None
) -> None:
    _, database = gaussians(3000, share, seed=6)
    relevant, validation = gaussians(500, 0.4, seed=7)
    hits, misses = relevant.sum(), (~relevant).sum()
    smoothed = np.where(relevant, (hits + 1) / (hits + 2), 1 / (misses + 2))  # Platt's goals, as weighted twins
    twins = [True] * 500 + [False] * 500
    line = LogisticRegression(C=np.inf, tol=1e-8).fit(
        np.tile(validation, 2)[:, None], twins, np.append(smoothed, 1 - smoothed)
    )
    odds_at_even = {
        name: line.decision_function(values[:, None]) - math.log(smoothed.mean() / (1 - smoothed.mean()))
        for name, values in (("database", database), ("target", validation[relevant]), ("rest", validation[~relevant]))
    }
    ratio = np.exp(odds_at_even["database"])
    prior = taken or brentq(lambda x: ((ratio - 1) / (1 + x * (ratio - 1))).sum(), 0, 1)
    means = {name: expit(odds + math.log(prior / (1 - prior))).mean() for name, odds in odds_at_even.items()}
    expected = 3000 * (means["database"] - means["rest"]) / (means["target"] - means["rest"])
    assert posterior_count(expit(database), expit(validation), relevant).estimate == pytest.approx(expected, rel=1e-3)


def test_it_does_not_matter_how_sure_of_itself_the_classifier_is() -> None:
    _, database = gaussians(4000, 0.05, seed=1)
    relevant, validation = gaussians(400, 0.3, seed=2)
    modest = posterior_count(expit(database), expit(validation), relevant)
    sure = posterior_count(expit(2.5 * database - 4), expit(2.5 * validation - 4), relevant)
    assert (sure.estimate, sure.low, sure.high) == pytest.approx((modest.estimate, modest.low, modest.high), rel=1e-3)


def test_it_is_narrower_than_what_a_threshold_gives() -> None:
    of_database, database = gaussians(5000, 0.02, seed=3)
    relevant, validation = gaussians(500, 0.3, seed=4)
    count = posterior_count(expit(database), expit(validation), relevant)
    hits, alarms = (validation[relevant] > 1.25).sum(), (validation[~relevant] > 1.25).sum()
    rates = (int(hits), int(relevant.sum()), int(alarms), int((~relevant).sum()))
    by_rates = adjusted_count(int((database > 1.25).sum()), 5000, *rates)
    assert count.low <= of_database.sum() <= count.high
    assert count.high - count.low < 0.75 * (by_rates.high - by_rates.low)


def test_a_classifier_that_never_errs_on_held_out_pictures_still_leaves_some_doubt() -> None:
    database, relevant = np.repeat([1.0, 0.0], [30, 970]), np.arange(200) < 50
    count = posterior_count(database, relevant.astype(float), relevant)
    assert count.estimate == pytest.approx(30, rel=1e-6)
    assert 1 < count.high - 30 < 50
    assert 1 < 30 - count.low <= 30


def held(searches: int, spread: float, prevalence: float, size: int) -> tuple[float, float]:
    """How often the truth lies in the intervals of `adjusted_count` and of `posterior_count`."""
    rng = np.random.default_rng(8)
    kept = np.zeros(2)
    of_validation = np.arange(400) < 100
    for _ in range(searches):
        relevant = rng.random(size) < prevalence
        database, validation = (
            np.where(known, rng.normal(2.5, spread, len(known)), rng.normal(0, 1, len(known)))
            for known in (relevant, of_validation)
        )
        hits, alarms = int((validation[:100] > 1.25).sum()), int((validation[100:] > 1.25).sum())
        counts = (
            adjusted_count(int((database > 1.25).sum()), size, hits, 100, alarms, 300),
            posterior_count(expit(database), expit(validation), of_validation),
        )
        kept += [count.low <= relevant.sum() <= count.high for count in counts]
    return float(kept[0] / searches), float(kept[1] / searches)


@pytest.mark.parametrize("prevalence", [0.3, 0.005])
def test_nineteen_intervals_of_twenty_hold_the_truth(prevalence: float) -> None:
    for share in held(200, 1.5, prevalence, 2000):  # no logistic curve calibrates classes that differ in spread
        assert share >= 0.92  # 0.95 less two standard errors


@pytest.mark.trial
@pytest.mark.parametrize("size", [2000, 20_000])
@pytest.mark.parametrize("spread", [1, 1.5])
@pytest.mark.parametrize("prevalence", [0.3, 0.1, 0.03, 0.005])
def test_of_a_thousand_counts_the_promised_share_holds_the_truth(prevalence: float, spread: float, size: int) -> None:
    adjusted, posterior = held(1000, spread, prevalence, size)
    told = f"prevalence {prevalence}, spread {spread}, {size} pictures: "
    print(f"{told} adjusted {adjusted:.1%}, posterior {posterior:.1%} held")  # noqa: T201
    assert min(adjusted, posterior) >= 0.93


TWO = np.array([True, True, False, False])


@pytest.mark.parametrize(
    ("call", "arguments", "error"),
    [
        (classify_and_count, (5, 4), UsageError),
        (adjusted_count, (1, 4, 3, 2, 0, 2), UsageError),
        (adjusted_count, (1, 4, 1, 2, -1, 2), UsageError),
        (adjusted_count, (1, 4, 0, 0, 0, 2), UsageError),
        (adjusted_count, (1, 4, 2, 2, 0, 2, 1.5), UsageError),
        (adjusted_count, (10, 40, 5, 10, 5, 10), DataError),
        (adjusted_count, (10, 40, 1, 3, 10, 30), DataError),
        (expectation_maximisation, (np.empty((0, 2)), np.array([0.5, 0.5])), DataError),
        (expectation_maximisation, (np.array([0.5, 0.5]), np.array([0.5, 0.5])), DataError),
        (expectation_maximisation, (np.array([[np.nan, 0.5]]), np.array([0.5, 0.5])), DataError),
        (expectation_maximisation, (np.array([[0.0, 0.0]]), np.array([0.5, 0.5])), DataError),
        (expectation_maximisation, (np.array([[0.5, 0.5]]), np.array([0.5, 0.6])), DataError),
        (expectation_maximisation, (np.array([[0.5, 0.5]]), np.array([1.0, 0.0])), DataError),
        (posterior_count, (np.array([]), np.array([0.9, 0.8, 0.1, 0.2]), TWO), DataError),
        (posterior_count, (np.array([np.nan]), np.array([0.9, 0.8, 0.1, 0.2]), TWO), DataError),
        (posterior_count, (np.array([0.5]), np.array([0.9, 0.8, 0.1, 1.2]), TWO), DataError),
        (posterior_count, (np.array([0.5]), np.array([0.9, 0.8, 0.1, 0.2]), TWO.astype(int)), DataError),
        (posterior_count, (np.array([0.5]), np.array([0.9, 0.8, 0.1, 0.2]), ~np.zeros(4, bool)), DataError),
        (posterior_count, (np.array([0.5]), np.full(4, 0.5), TWO), DataError),
        (posterior_count, (np.array([0.5]), np.array([0.9, 0.8, 0.1, 0.2]), TWO, 0.0), UsageError),
    ],
)
def test_what_cannot_be_counted_is_refused(call: Any, arguments: Any, error: type[BluebirdError]) -> None:
    with pytest.raises(error, match=r"^[^\n]+$"):
        call(*arguments)
