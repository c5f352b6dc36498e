from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from bluebird.errors import BluebirdError, DataError, UsageError
from bluebird.quality.ranking import (
    Doubles,
    Flags,
    Ranking,
    average_precision,
    looking_curve,
    looks_for,
    precision_at,
    precision_recall,
    ranking,
    recall_at,
)

NAN, INF = float("nan"), float("inf")
SCORES = np.array([0.9, 0.7, 0.7, 0.4, 0.2])
RELEVANT = np.array([True, False, True, False, True])


def pictures(seed: int, count: int, values: int = 5) -> tuple[Doubles, Flags]:
    """Scores of few values, so that many tie, and which pictures are relevant: at least one."""
    rng = np.random.default_rng(seed)
    relevant = rng.random(count) < rng.random()
    relevant[rng.integers(count)] = True
    return rng.integers(values, size=count) / 8 - 0.25, relevant


def expected_found(scores: Doubles, relevant: Flags) -> list[Fraction]:
    """How many relevant ones are among the first 0, 1, ... N: the mean of all orders in which scores fall."""
    orders = [order for order in permutations(range(len(scores))) if (np.diff(scores[list(order)]) <= 0).all()]
    founds = [np.append(0, relevant[list(order)].cumsum()) for order in orders]
    return [Fraction(int(total), len(orders)) for total in np.sum(founds, axis=0)]


def test_a_small_ranking_is_that_worked_by_hand() -> None:
    r = ranking(SCORES[::-1], RELEVANT[::-1])
    assert r.thresholds.tolist() == [0.9, 0.7, 0.4, 0.2]
    assert r.looked.tolist() == [1, 3, 4, 5]
    assert r.found.tolist() == [1, 2, 2, 3]
    assert average_precision(r) == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3 + 1 / 3 * 3 / 5)
    assert recall_at(r, 2) == pytest.approx(1.5 / 3)
    assert precision_at(r, 2) == pytest.approx(1.5 / 2)
    assert looks_for(r, 0.5) == pytest.approx(2)
    assert looks_for(r, 2 / 3) == pytest.approx(3)
    assert looks_for(r, 0.7) == pytest.approx(4 + 0.1)


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_average_precision_is_scikit_learn_s_with_ties_and_weights(seed: int, count: int) -> None:
    scores, relevant = pictures(seed, count)
    weights = np.random.default_rng(seed).gamma(1, size=count)
    assert average_precision(ranking(scores, relevant)) == pytest.approx(average_precision_score(relevant, scores))
    weighted = average_precision_score(relevant, scores, sample_weight=weights)
    assert average_precision(ranking(scores, relevant, weights)) == pytest.approx(weighted)


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_precision_and_recall_are_scikit_learn_s_at_every_threshold(seed: int, count: int) -> None:
    scores, relevant = pictures(seed, count)
    weights = np.random.default_rng(seed).gamma(1, size=count)
    precision, recall, thresholds = precision_recall_curve(relevant, scores, sample_weight=weights)
    r = ranking(scores, relevant, weights)
    assert r.thresholds.tolist() == thresholds[::-1].tolist()
    np.testing.assert_allclose(precision_recall(r), [recall[-2::-1], precision[-2::-1]])


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_the_first_k_are_the_mean_of_all_orders_of_the_ties(seed: int, count: int) -> None:
    scores, relevant = pictures(seed, count, values=3)
    r, found = ranking(scores, relevant), expected_found(scores, relevant)
    for k in range(1, count + 1):
        assert recall_at(r, k) == pytest.approx(float(found[k] / found[-1]))
        assert precision_at(r, k) == pytest.approx(float(found[k] / k))


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 60))
def test_the_looks_for_a_share_are_the_least_at_which_the_mean_of_all_orders_has_it(
    seed: int, count: int, sixtieths: int
) -> None:
    scores, relevant = pictures(seed, count, values=3)
    found, share = expected_found(scores, relevant), Fraction(sixtieths, 60)
    wanted = share * found[-1]
    k = next(k for k in range(count + 1) if found[k] >= wanted)
    looks = k - (found[k] - wanted) / (found[k] - found[k - 1])
    assert looks_for(ranking(scores, relevant), float(share)) == pytest.approx(float(looks))


@pytest.mark.parametrize("positives", range(1, 60))
@pytest.mark.parametrize("weight", [1, 0.1, 1 / 3, 1e-7])
def test_a_share_that_one_picture_reaches_is_reached_there_whatever_the_rounding(positives: int, weight: float) -> None:
    relevant = np.arange(10 * positives) % 10 == 9  # nine others before each relevant one
    r = ranking(-np.arange(10.0 * positives), relevant, np.full(10 * positives, weight))
    for number in range(1, positives + 1):
        assert looks_for(r, number / positives) == pytest.approx(10 * number * weight)


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_a_weight_is_that_many_pictures_and_none_is_an_absent_one(seed: int, count: int) -> None:
    scores, relevant = pictures(seed, count)
    weights = np.random.default_rng(seed).integers(0, 4, count)
    weights[relevant.argmax()] = 2
    weighted = ranking(scores, relevant, weights.astype(float))
    repeated = ranking(scores.repeat(weights), relevant.repeat(weights))
    for one, other in zip(steps(weighted), steps(repeated), strict=True):
        assert one.tolist() == other.tolist()


def steps(r: Ranking) -> tuple[Doubles, Doubles, Doubles]:
    return r.thresholds, r.looked, r.found


def test_the_order_of_the_pictures_changes_nothing() -> None:
    scores, relevant = pictures(3, 50)
    shuffled = np.random.default_rng(3).permutation(50)
    for one, other in zip(
        steps(ranking(scores, relevant)), steps(ranking(scores[shuffled], relevant[shuffled])), strict=True
    ):
        assert one.tolist() == other.tolist()


def test_a_zero_is_a_zero_with_a_sign_or_without() -> None:
    assert len(ranking(np.array([0.0, -0.0]), np.array([True, False])).looked) == 1


def test_the_curve_starts_before_the_first_look_and_ends_with_all_found() -> None:
    looked, share = looking_curve(ranking(SCORES, RELEVANT))
    assert looked.tolist() == [0, 1, 3, 4, 5]
    assert share.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1])


def test_more_looks_than_pictures_are_looks_at_all() -> None:
    r = ranking(SCORES, RELEVANT)
    assert recall_at(r, 0) == 0
    assert recall_at(r, 99) == 1
    assert precision_at(r, 99) == pytest.approx(3 / 5)


def test_where_all_are_relevant_all_is_precise_and_a_share_takes_that_share_of_the_looks() -> None:
    r = ranking(SCORES, np.ones(5, bool))
    assert average_precision(r) == precision_at(r, 3) == 1
    assert looks_for(r, 0.6) == pytest.approx(3)


@pytest.mark.parametrize(
    ("scores", "relevant", "weights", "error", "said"),
    [
        ([], [], None, DataError, "no pictures"),
        ([0.1, NAN, 0.3], [True] * 3, None, DataError, "1 of 3 scores are NaN or infinite"),
        ([0.1, -INF, INF], [True] * 3, None, DataError, "2 of 3 scores"),
        ([0.1, 0.2], [True], None, UsageError, r"scores \(2,\) and relevant \(1,\)"),
        ([[0.1, 0.2]], [[True, True]], None, UsageError, "expected"),
        (0.5, True, None, UsageError, "expected"),
        ([0.1, 0.2], [False, False], None, DataError, "no picture of the target among 2"),
        ([0.1, 0.2], [1, 0], None, UsageError, "relevant is int64, expected bool"),
        ([0.1, 0.2], [True, False], [1.0], UsageError, r"weights \(1,\) for 2 scores"),
        ([0.1, 0.2], [True, False], [1.0, -1.0], DataError, "1 of 2 weights"),
        ([0.1, 0.2], [True, False], [NAN, INF], DataError, "2 of 2 weights"),
        ([0.1, 0.2], [True, False], [0.0, 1.0], DataError, "no picture of the target among 1"),
        ([0.1, 0.2], [True, False], [0.0, 0.0], DataError, "no picture of the target among 0"),
    ],
)
def test_what_cannot_be_ranked_is_refused_in_one_line(
    scores: object, relevant: object, weights: object, error: type[BluebirdError], said: str
) -> None:
    with pytest.raises(error, match=said) as refused:
        ranking(scores, relevant, weights)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("wrong", [-1, 0, 1.01, NAN, INF])
def test_a_share_or_a_count_that_cannot_be_is_refused(wrong: float) -> None:
    r = ranking(SCORES, RELEVANT)
    with pytest.raises(UsageError, match=f"recall of {wrong}"):
        looks_for(r, wrong)
    for at, refused in ((recall_at, not wrong >= 0), (precision_at, not wrong > 0)):
        if refused:
            with pytest.raises(UsageError, match=f"first {wrong} pictures"):
                at(r, wrong)
