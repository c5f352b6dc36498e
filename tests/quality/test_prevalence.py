from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import average_precision_score

from bluebird.errors import BluebirdError, DataError, UsageError
from bluebird.quality.prevalence import shifted, weights_at
from bluebird.quality.ranking import Doubles, Flags, average_precision, looks_for, precision_at, ranking, recall_at

NAN = float("nan")
MEANS = np.array([-1.0, 0.5, 2.0])  # of three classes, each normal with deviation 1


def pictures(seed: int, positives: int, others: int) -> tuple[Doubles, Flags]:
    relevant = np.arange(positives + others) < positives
    scores = np.random.default_rng(seed).normal(size=len(relevant)) + 1.5 * relevant
    return scores.round(1), relevant


def posterior(x: Doubles, prior: Doubles) -> Doubles:
    """Bayes' rule from the densities: P(y | x) of the classes, (N, K)."""
    joint = np.stack([p * norm.pdf(x, m) for p, m in zip(prior, MEANS, strict=True)], 1)
    bayes: Doubles = joint / joint.sum(1, keepdims=True)
    return bayes


@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 20), st.integers(1, 50))
def test_a_rarer_target_is_a_database_in_which_each_other_picture_is_there_many_times(
    seed: int, positives: int, others: int, times: int
) -> None:
    scores, relevant = pictures(seed, positives, others)
    copies = np.where(relevant, 1, times)
    size = int(copies.sum())
    rare = ranking(scores, relevant, weights_at(relevant, positives / size))
    database, truth = scores.repeat(copies), relevant.repeat(copies)
    assert average_precision(rare) == pytest.approx(average_precision_score(truth, database))
    everything = ranking(database, truth)
    assert looks_for(rare, 0.8) * size == pytest.approx(looks_for(everything, 0.8))
    assert recall_at(rare, 3 / size) == pytest.approx(recall_at(everything, 3))
    assert precision_at(rare, 3 / size) == pytest.approx(precision_at(everything, 3))


def test_weights_sum_to_one_and_those_of_the_target_to_its_share() -> None:
    relevant = np.array([True, False, False, True, False])
    assert weights_at(relevant, 0.01).tolist() == pytest.approx([0.005, 0.33, 0.33, 0.005, 0.33])


def test_at_the_prevalence_of_the_test_set_all_weigh_the_same() -> None:
    assert weights_at(np.arange(8) < 2, 0.25).tolist() == pytest.approx([1 / 8] * 8)


@given(st.integers(1, 98), st.integers(1, 98), st.integers(1, 98), st.integers(1, 98))
def test_shifted_probabilities_are_those_of_bayes_rule_under_the_new_shares(a: int, b: int, c: int, d: int) -> None:
    old, new = np.array([a, b, c]) / (a + b + c), np.array([b, d, a]) / (b + d + a)
    x = np.linspace(-5, 6, 23)
    np.testing.assert_allclose(shifted(posterior(x, old), old, new), posterior(x, new), rtol=1e-9)


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_one_class_against_all_else_is_shifted_as_the_second_of_two(old: float, new: float) -> None:
    likely = np.linspace(0, 1, 21)
    odds = likely[:-1] / (1 - likely[:-1]) * (new / (1 - new)) / (old / (1 - old))
    np.testing.assert_allclose(shifted(likely, old, new), np.append(odds / (1 + odds), 1), rtol=1e-9)


def test_to_the_same_shares_nothing_changes_and_back_is_where_it_was() -> None:
    probs = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
    old, new = [0.2, 0.3, 0.5], [0.9, 0.09, 0.01]
    np.testing.assert_allclose(shifted(probs, old, old), probs)
    np.testing.assert_allclose(shifted(shifted(probs, old, new), new, old), probs)


def test_certainty_stays_certain() -> None:
    assert shifted(np.eye(2, dtype=np.float32), [0.5, 0.5], [0.999, 0.001]).tolist() == [[1, 0], [0, 1]]


def test_probabilities_in_half_precision_are_taken() -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(100), 20).astype(np.float16)
    even = np.full(100, 0.01)
    np.testing.assert_allclose(shifted(probs, even, even).sum(1), 1)


@pytest.mark.parametrize("wrong", [-0.1, 0, 1, 1.5, NAN, float("inf")])
def test_a_share_outside_of_zero_and_one_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError, match="prevalence"):
        weights_at(np.array([True, False]), wrong)
    for old, new in ((wrong, 0.5), (0.5, wrong)):
        with pytest.raises(UsageError, match="prevalence"):
            shifted(np.array([0.5]), old, new)
    with pytest.raises(UsageError, match="prevalence"):
        shifted(np.array([[0.5, 0.5]]), [0.5, 0.5], [wrong, 0.5])


@pytest.mark.parametrize("relevant", [[True, True], [False], []])
def test_without_pictures_of_both_sorts_there_are_no_weights(relevant: list[bool]) -> None:
    with pytest.raises(DataError, match="expected some of both"):
        weights_at(np.array(relevant, bool), 0.1)


def test_what_is_relevant_is_said_with_bools() -> None:
    with pytest.raises(UsageError, match="int64"):
        weights_at(np.array([0, 1]), 0.1)


@pytest.mark.parametrize(
    ("probs", "prior", "error", "said"),
    [
        (0.5, 0.5, UsageError, "expected"),
        ([0.5, 1.1], 0.5, DataError, "1 of 2"),
        ([0.5, -0.1], 0.5, DataError, "1 of 2"),
        ([NAN, 0.5], 0.5, DataError, "1 of 2"),
        ([[0.5, 0.4], [0.5, 0.5]], [0.5, 0.5], DataError, "1 of 2"),
        ([[1.5, -0.5]], [0.5, 0.5], DataError, "1 of 1"),
        ([[0.5, 0.5]], 0.5, UsageError, "one for each class"),
        ([0.5], [0.5, 0.5], UsageError, "one for each class"),
        ([[0.5, 0.5]], [0.2, 0.3, 0.5], UsageError, "one for each class"),
        ([[0.5, 0.5]], [0.5, 0.3], UsageError, "sum to 0.8"),
    ],
)
def test_what_cannot_be_shifted_is_refused_in_one_line(
    probs: object, prior: object, error: type[BluebirdError], said: str
) -> None:
    with pytest.raises(error, match=said) as refused:
        shifted(np.array(probs), prior, prior)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
