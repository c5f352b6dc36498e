from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluebird.errors import DataError, UsageError
from bluebird.quality.prevalence import weights_at
from bluebird.quality.ranking import Doubles, Flags, ranking
from bluebird.quality.thresholds import for_precision, for_recall


def pictures(seed: int, count: int) -> tuple[Doubles, Flags]:
    rng = np.random.default_rng(seed)
    relevant = rng.random(count) < 0.4
    relevant[0] = True
    return rng.integers(12, size=count) / 8 + relevant * rng.integers(5, size=count) / 8, relevant


def figures(scores: Doubles, relevant: Flags) -> dict[float, tuple[float, float]]:
    """For every score as a threshold, falling: the recall and the precision of what is accepted, counted."""
    found: dict[float, tuple[float, float]] = {}
    for threshold in sorted(set(scores.tolist()), reverse=True):
        accepted = [bool(is_it) for score, is_it in zip(scores, relevant, strict=True) if score >= threshold]
        found[threshold] = (sum(accepted) / int(relevant.sum()), sum(accepted) / len(accepted))
    return found


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40))
def test_for_a_recall_it_is_the_greatest_of_all_that_reach_it(seed: int, count: int, fortieths: int) -> None:
    scores, relevant = pictures(seed, count)
    recall = fortieths / 40
    expected = max(t for t, (reached, _) in figures(scores, relevant).items() if reached >= recall)
    assert for_recall(ranking(scores, relevant), recall) == expected


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40))
def test_for_a_precision_it_is_the_least_of_all_that_reach_it(seed: int, count: int, fortieths: int) -> None:
    scores, relevant = pictures(seed, count)
    precision, r = fortieths / 40, ranking(scores, relevant)
    enough = [t for t, (_, reached) in figures(scores, relevant).items() if reached >= precision]
    if enough:
        assert for_precision(r, precision) == min(enough)
    else:
        with pytest.raises(DataError, match=f"precision of {precision}"):
            for_precision(r, precision)


def test_precision_may_be_reached_again_below_a_score_at_which_it_is_not() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    r = ranking(scores, np.array([False, True, True, True, False]))  # precision 0, 1/2, 2/3, 3/4, 3/5
    assert for_precision(r, 0.5) == 0.5
    assert for_precision(r, 0.7) == 0.6


def test_a_precision_that_is_never_reached_is_refused_with_the_best_that_is() -> None:
    r = ranking(np.array([0.9, 0.8, 0.5, 0.4]), np.array([False, True, True, False]))
    with pytest.raises(DataError, match=r"precision of 0\.9: the best is 0\.6667, from 0\.5 on"):
        for_precision(r, 0.9)


def test_a_single_precision_score_is_accepted_by_its_own_threshold() -> None:
    scores = np.array([0.1, 0.7, 0.3], np.float32)
    threshold = for_recall(ranking(scores, np.array([False, True, True])), 1.0)
    assert (scores >= threshold).tolist() == [False, True, True]


@pytest.mark.parametrize("positives", range(1, 50))
def test_rounded_weights_do_not_move_the_threshold_for_a_recall(positives: int) -> None:
    scores = -np.arange(3.0 * positives)
    relevant = np.arange(3 * positives) % 3 == 2
    r = ranking(scores, relevant, weights_at(relevant, 0.001))
    for number in range(1, positives + 1):
        assert for_recall(r, number / positives) == -(3 * number - 1)


@pytest.mark.parametrize("wrong", [-0.1, 0, 1.5, float("nan"), float("inf")])
def test_a_share_that_cannot_be_is_refused(wrong: float) -> None:
    r = ranking(np.array([0.5, 0.1]), np.array([True, False]))
    with pytest.raises(UsageError, match="recall of"):
        for_recall(r, wrong)
    with pytest.raises(UsageError, match="precision of"):
        for_precision(r, wrong)
