from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from bluebird.errors import BluebirdError, DataError, UsageError
from bluebird.quality.calibration import (
    TEMPERATURES,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)


def drawn(count: int, classes: int, temperature: float = 1.0, seed: int = 0) -> tuple[Any, Any]:
    """Logits of a classifier that is `temperature` times too sure, and targets by their true probabilities."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, (count, classes))
    heights = softmax(true, axis=1).cumsum(1)
    targets = (rng.random((count, 1)) * heights[:, -1:] > heights).sum(1)
    return true * temperature, targets


def test_likelihood_and_brier_score_are_those_worked_by_hand() -> None:
    probs, targets = np.array([[0.5, 0.25, 0.25], [0.1, 0.9, 0.0]]), np.array([0, 1])
    assert negative_log_likelihood(probs, targets) == pytest.approx(-(math.log(0.5) + math.log(0.9)) / 2)
    assert brier_score(probs, targets) == pytest.approx((0.25 + 0.0625 + 0.0625 + 0.01 + 0.01) / 2)


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_likelihood_and_brier_score_are_those_of_scikit_learn(classes: int) -> None:
    logits, targets = drawn(500, classes)
    probs, labels = softmax(logits, axis=1), np.arange(classes)
    assert negative_log_likelihood(probs, targets) == pytest.approx(log_loss(targets, probs, labels=labels))
    expected = brier_score_loss(targets, probs, labels=labels, scale_by_half=False)
    assert brier_score(probs, targets) == pytest.approx(expected)


def test_what_was_held_impossible_and_came_true_is_infinitely_unlikely() -> None:
    assert negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])) == math.inf
    assert brier_score(np.array([[1.0, 0.0]]), np.array([1])) == 2


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_the_bins_are_those_of_scikit_learn(bins: int) -> None:
    rng = np.random.default_rng(1)
    confidence = np.concatenate([rng.random(300) ** 3, np.arange(bins + 1) / bins, [0.0, 1.0]])
    correct = rng.random(len(confidence)) < confidence
    diagram = reliability(confidence, correct, bins)
    observed, mean = calibration_curve(correct, confidence, n_bins=bins, strategy="uniform")
    full = diagram.counts > 0
    assert diagram.observed[full] == pytest.approx(observed)
    assert diagram.confidence[full] == pytest.approx(mean)
    assert diagram.counts.sum() == len(confidence)


def test_a_bin_holds_its_upper_edge_and_the_first_one_zero() -> None:
    diagram = reliability(np.array([0.0, 0.5, 0.5, 0.75, 1.0]), np.array([False, True, False, True, True]), 4)
    assert diagram.counts.tolist() == [1, 2, 1, 1]
    assert diagram.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert diagram.observed.tolist() == [0, 0.5, 1, 1]


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_each_bin_s_interval_is_the_exact_one_of_scipy(level: float) -> None:
    rng = np.random.default_rng(2)
    confidence = rng.random(60)
    correct = rng.random(60) < confidence
    diagram = reliability(confidence, correct, 20, level)
    for number, (low, high) in enumerate(zip(diagram.low, diagram.high, strict=True)):
        inside = (confidence > number / 20) & (confidence <= (number + 1) / 20)
        if not inside.any():
            assert (low, high) == (0, 1)
            continue
        interval = binomtest(int(correct[inside].sum()), int(inside.sum())).proportion_ci(level, "exact")
        assert (low, high) == pytest.approx((interval.low, interval.high))


def test_an_empty_bin_has_no_share_and_counts_for_nothing() -> None:
    diagram = reliability(np.array([0.1, 0.1]), np.array([False, True]), 2)
    assert math.isnan(diagram.observed[1])
    assert math.isnan(diagram.confidence[1])
    assert (diagram.low[1], diagram.high[1]) == (0, 1)
    assert expected_calibration_error(diagram) == pytest.approx(0.4)


def test_the_calibration_error_is_the_sum_over_bins_as_it_reads() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.random(400)
    correct = rng.random(400) < confidence**2
    expected = 0.0
    for number in range(15):
        inside = [i for i in range(400) if number / 15 < confidence[i] <= (number + 1) / 15]
        expected += abs(sum(correct[i] for i in inside) - sum(confidence[i] for i in inside)) / 400
    assert expected_calibration_error(reliability(confidence, correct)) == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_classifier_that_is_too_sure_by_a_known_factor_gives_it_back(temperature: float) -> None:
    logits, targets = drawn(20_000, 5, temperature)
    probs = softmax(logits / temperature, axis=1)
    information = ((probs * logits**2).sum(1) - (probs * logits).sum(1) ** 2).sum()  # Fisher's, of 1 / T
    error = temperature**2 / math.sqrt(information)
    assert error < 0.02 * temperature
    assert fit_temperature(logits, targets) == pytest.approx(temperature, abs=3 * error)


def test_the_temperature_is_that_of_lbfgs() -> None:
    logits, targets = drawn(400, 8, 2.2, seed=4)
    log_t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    descent = torch.optim.LBFGS([log_t], max_iter=100, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        descent.zero_grad()
        value = torch.nn.functional.cross_entropy(torch.tensor(logits) / log_t.exp(), torch.tensor(targets))
        value.backward()  # type: ignore[no-untyped-call]
        return value

    descent.step(loss)  # type: ignore[no-untyped-call]
    assert fit_temperature(logits, targets) == pytest.approx(log_t.exp().item(), rel=1e-4)


def test_the_temperature_stays_within_its_bounds() -> None:
    logits = np.array([[5.0, 0.0], [0.0, 5.0], [4.0, 1.0]])
    best, worst = np.array([0, 1, 0]), np.array([1, 0, 1])
    assert TEMPERATURES[0] <= fit_temperature(logits, best)
    assert negative_log_likelihood(softmax(logits / fit_temperature(logits, best), axis=1), best) < 1e-12
    assert fit_temperature(logits, worst) == pytest.approx(TEMPERATURES[1], rel=1e-3)
    assert fit_temperature(np.ones((3, 2)), best) == 1


def test_pictures_of_one_class_have_a_temperature_too() -> None:
    logits = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [-2.0, 0.0]])  # right three times of four
    assert fit_temperature(logits, np.zeros(4, int)) == pytest.approx(2 / math.log(3), rel=1e-5)


GOOD = np.array([[0.5, 0.5], [0.2, 0.8]])
BROKEN: list[tuple[Any, Any]] = [
    (np.empty((0, 2)), np.empty(0, int)),
    (np.array([0.5, 0.5]), np.array([0])),
    (np.ones((2, 1)), np.array([0, 0])),
    (np.array([[np.nan, 0.5], [0.2, 0.8]]), np.array([0, 1])),
    (GOOD, np.array([0, 2])),
    (GOOD, np.array([-1, 0])),
    (GOOD, np.array([0.0, 1.0])),
    (GOOD, np.array([0])),
]


@pytest.mark.parametrize(("values", "targets"), BROKEN)
@pytest.mark.parametrize("figure", [negative_log_likelihood, brier_score, fit_temperature])
def test_what_is_no_classifier_s_word_is_refused(figure: Any, values: Any, targets: Any) -> None:
    with pytest.raises(DataError, match=r"^[^\n]*expected[^\n]*$"):
        figure(values, targets)


@pytest.mark.parametrize("figure", [negative_log_likelihood, brier_score])
@pytest.mark.parametrize("row", [[3.0, -2.0], [0.5, 0.4], [0.6, 0.5]])
def test_logits_are_not_taken_for_probabilities(figure: Any, row: list[float]) -> None:
    with pytest.raises(DataError, match="not logits"):
        figure(np.array([row]), np.array([0]))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((np.array([0.5]), np.array([True, False])), DataError),
        ((np.array([]), np.array([], bool)), DataError),
        ((np.array([1.5]), np.array([True])), DataError),
        ((np.array([np.nan]), np.array([True])), DataError),
        ((np.array([0.5]), np.array([1])), DataError),
        ((np.array([0.5]), np.array([True]), 0), UsageError),
        ((np.array([0.5]), np.array([True]), 5, 1.0), UsageError),
    ],
)
def test_what_is_no_diagram_is_refused(arguments: Any, error: type[BluebirdError]) -> None:
    with pytest.raises(error, match=r"^[^\n]*expected[^\n]*$"):
        reliability(*arguments)
