from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.metrics import average_precision_score

from bluebird.errors import DataError, UsageError
from bluebird.quality.bootstrap import interval, intervals
from bluebird.quality.prevalence import weights_at
from bluebird.quality.ranking import (
    Doubles,
    Flags,
    average_precision,
    looking_curve,
    looks_for,
    precision_at,
    ranking,
    recall_at,
)

GRID = np.arange(0, 601, 50)


def pictures(positives: int = 40, others: int = 560, seed: int = 0, apart: float = 2) -> tuple[Doubles, Flags]:
    """Scores, normal with deviation 1, of the target `apart` higher; shuffled."""
    rng = np.random.default_rng(seed)
    relevant = rng.permutation(positives + others) < positives
    return rng.normal(size=len(relevant)) + apart * relevant, relevant


def ap(scores: Doubles, relevant: Flags, weights: Doubles) -> float:
    return average_precision(ranking(scores, relevant, weights))


def figures(scores: Doubles, relevant: Flags, weights: Doubles) -> Doubles:
    r = ranking(scores, relevant, weights)
    return np.array([average_precision(r), precision_at(r, 50), looks_for(r, 0.95)])


def test_the_interval_of_average_precision_is_that_of_pictures_drawn_one_by_one() -> None:
    scores, relevant = pictures()
    rng = np.random.default_rng(99)
    positives, others = np.flatnonzero(relevant), np.flatnonzero(~relevant)
    drawn = []
    for _ in range(1500):
        sample = np.concatenate([rng.choice(positives, len(positives)), rng.choice(others, len(others))])
        drawn.append(average_precision_score(relevant[sample], scores[sample]))
    low, high = interval(ap, scores, relevant, resamples=4000, confidence=0.8)
    assert (low, high) == pytest.approx(np.quantile(drawn, [0.1, 0.9]), abs=0.012)
    assert high - low > 0.1


def test_the_interval_of_a_recall_at_a_threshold_is_the_binomial_one() -> None:
    scores, relevant = np.repeat([1.0, 0.0], 200), np.arange(400) % 200 < 120  # 120 of 200 high ones, and of 200 low

    def share_high(scores: Doubles, relevant: Flags, weights: Doubles) -> float:
        return float(weights[relevant & (scores > 0.5)].sum() / weights[relevant].sum())

    low, high = interval(share_high, scores, relevant, resamples=5000)
    deviation = np.sqrt(0.5 * 0.5 / 240)
    assert (low, high) == pytest.approx((0.5 - 1.96 * deviation, 0.5 + 1.96 * deviation), abs=0.006)


def test_each_resample_has_as_many_of_both_sorts_and_its_scores_fall() -> None:
    scores, relevant = pictures(3, 50)
    seen: list[Doubles] = []

    def look(given: Doubles, flags: Flags, weights: Doubles) -> float:
        assert (np.diff(given) <= 0).all()
        assert sorted(zip(given, flags, strict=True)) == sorted(zip(scores, relevant, strict=True))
        assert (weights[flags].sum(), weights[~flags].sum()) == (3, 50)
        assert (weights == weights.round()).all()
        seen.append(weights)
        return 0.0

    assert interval(look, scores, relevant, resamples=300) == (0, 0)
    assert len({tuple(weights) for weights in seen}) == 300
    assert np.mean(seen, axis=0) == pytest.approx(np.ones(53), abs=0.3)


def test_several_figures_share_the_resamples_of_one() -> None:
    scores, relevant = pictures()
    low, high = intervals(figures, scores, relevant, resamples=200)
    assert low.shape == high.shape == (3,)
    assert (low[0], high[0]) == interval(ap, scores, relevant, resamples=200)
    assert (low < figures(scores, relevant, np.ones(600))).all()
    assert (high > figures(scores, relevant, np.ones(600))).all()


def test_a_band_is_at_each_place_the_interval_there() -> None:
    scores, relevant = pictures()

    def curve(scores: Doubles, relevant: Flags, weights: Doubles) -> Doubles:
        return np.interp(GRID, *looking_curve(ranking(scores, relevant, weights)))

    def at_hundred(scores: Doubles, relevant: Flags, weights: Doubles) -> float:
        return recall_at(ranking(scores, relevant, weights), 100)

    low, high = intervals(curve, scores, relevant, resamples=200)
    assert (low[2], high[2]) == interval(at_hundred, scores, relevant, resamples=200)
    assert (low[0], high[0], low[-1], high[-1]) == (0, 0, 1, 1)


def test_a_rarer_target_s_interval_lies_lower_and_each_resample_has_the_prevalence() -> None:
    scores, relevant = pictures()

    def rare(scores: Doubles, relevant: Flags, weights: Doubles) -> Doubles:
        r = ranking(scores, relevant, weights * weights_at(relevant, 0.01))
        return np.array([average_precision(r), r.looked[-1], r.found[-1]])

    low, high = intervals(rare, scores, relevant, resamples=200)
    assert low[1:] == pytest.approx([1, 0.01])
    assert high[1:] == pytest.approx([1, 0.01])
    assert high[0] < interval(ap, scores, relevant, resamples=200)[1] - 0.05


def test_the_same_seed_gives_the_same_and_the_order_of_the_pictures_does_not_matter() -> None:
    scores, relevant = pictures(10, 50)
    first = interval(ap, scores, relevant, resamples=50)
    assert interval(ap, scores, relevant, resamples=50) == first
    assert interval(ap, scores[::-1], relevant[::-1], resamples=50) == first
    assert interval(ap, scores, relevant, resamples=50, seed=1) != first


def test_a_higher_confidence_has_a_wider_interval() -> None:
    scores, relevant = pictures()
    (low, high), (lower, higher) = (
        interval(ap, scores, relevant, confidence=confidence, resamples=200) for confidence in (0.5, 0.95)
    )
    assert lower < low < high < higher


def test_where_all_are_relevant_nothing_wanders() -> None:
    assert interval(ap, np.array([0.1, 0.2, 0.3]), np.ones(3, bool), resamples=20) == (1, 1)


@pytest.mark.parametrize(
    ("resamples", "confidence"), [(0, 0.95), (-1, 0.95), (9, 0), (9, 1), (9, 95), (9, float("nan"))]
)
def test_arguments_that_cannot_be_are_refused(resamples: int, confidence: float) -> None:
    with pytest.raises(UsageError, match=f"{resamples} resamples, confidence {confidence}"):
        interval(ap, *pictures(2, 2), resamples=resamples, confidence=confidence)


def test_pictures_that_cannot_be_ranked_and_figures_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="no picture of the target"):
        interval(ap, np.array([0.5]), np.array([False]))
    with pytest.raises(DataError, match="1 of 1 scores"):
        interval(ap, np.array([np.nan]), np.array([True]))
    with pytest.raises(DataError, match="5 of 5 figures"):
        interval(lambda *_: float("nan"), *pictures(2, 2), resamples=5)


@pytest.mark.trial
@pytest.mark.parametrize(
    ("positives", "others", "prevalence", "ap_holds", "looks_hold"),
    [
        (10, 590, 10 / 600, 0.91, 0.46),
        (40, 560, 40 / 600, 0.94, 0.89),
        (150, 450, 150 / 600, 0.94, 0.95),
        (40, 560, 0.001, 0.45, 0.89),  # too few others for so rare a target
    ],
)
def test_the_intervals_hold_the_truth_as_often_as_the_docstring_says(
    positives: int, others: int, prevalence: float, ap_holds: float, looks_hold: float
) -> None:
    truth = endless(prevalence)
    holds = np.zeros(2)

    def both(scores: Doubles, relevant: Flags, weights: Doubles) -> Doubles:
        r = ranking(scores, relevant, weights * weights_at(relevant, prevalence))
        return np.array([average_precision(r), looks_for(r, 0.95)])

    for seed in range(600):
        low, high = intervals(both, *pictures(positives, others, seed), resamples=400, seed=seed)
        holds += (low <= truth) & (truth <= high)
    assert holds / 600 == pytest.approx([ap_holds, looks_hold], abs=0.04)


def endless(prevalence: float, apart: float = 2) -> Doubles:
    """Average precision and the looks for 95 % of an endless test set of `pictures`, by their densities."""

    def accepted(threshold: float) -> float:
        return float(prevalence * norm.sf(threshold - apart) + (1 - prevalence) * norm.sf(threshold))

    def precise(threshold: float) -> float:
        return float(norm.pdf(threshold - apart) * prevalence * norm.sf(threshold - apart)) / accepted(threshold)

    return np.array([quad(precise, -10, 12, limit=500)[0], accepted(apart + norm.isf(0.95))])
