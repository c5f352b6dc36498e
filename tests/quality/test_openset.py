from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors

from bluebird.errors import DataError, UsageError
from bluebird.quality import openset
from bluebird.quality.openset import (
    METHODS,
    Bank,
    Doubles,
    Evidence,
    auroc,
    energy,
    false_positives_at_recall,
    mahalanobis,
    maximum_logit,
    maximum_softmax,
    nearest_neighbour,
    relative_mahalanobis,
)

SCORES = st.lists(st.integers(-3, 3), min_size=1, max_size=30)  # few values: many ties
KNOWN = np.array([0.9, 0.8, 0.7, 0.7, 0.2])
UNKNOWN = np.array([0.95, 0.7, 0.5, 0.1])


def birds(count: int, seed: int, width: int = 12) -> tuple[Doubles, np.ndarray]:
    """Features of four classes, correlated and far from the origin, and their targets."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(width, width))
    targets = rng.integers(0, 4, count)
    means = 3 * np.random.default_rng(1).normal(size=(4, width)) + 5
    return means[targets] + rng.normal(size=(count, width)) @ mixing, targets


def test_maximum_softmax_is_the_greatest_probability() -> None:
    logits = np.array([[0.0, math.log(3)], [math.log(2), math.log(2)], [1000.0, 0.0]])
    assert maximum_softmax(logits) == pytest.approx([3 / 4, 1 / 2, 1.0])


def test_maximum_logit_is_the_greatest_logit() -> None:
    assert maximum_logit(np.array([[1.0, -2.0, 0.5], [-3.0, -1.0, -2.0]])).tolist() == [1, -1]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_energy_is_the_log_of_the_sum_of_exponentials(scale: float) -> None:
    logits = np.random.default_rng(0).normal(0, scale, (50, 7))
    tops = [max(row) for row in logits.tolist()]
    expected = [
        top + math.log(math.fsum(math.exp(z - top) for z in row)) for top, row in zip(tops, logits, strict=True)
    ]
    assert energy(logits) == pytest.approx(expected, rel=1e-12)


def test_half_precision_logits_lose_nothing_more() -> None:
    logits = np.full((1, 4), 11.0, np.float16)
    assert float(energy(logits)[0]) == pytest.approx(11 + math.log(4), abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 60])
def test_the_nearest_neighbour_is_scikit_learn_s_at_length_one(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openset, "_ROWS", 7)  # so that blocks meet within few pictures
    asked, bank = birds(40, 1)[0], birds(60, 2)[0]
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (bank, asked)]
    distances, _ = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(units[0]).kneighbors(units[1])
    np.testing.assert_allclose(nearest_neighbour(asked, bank, k), -distances[:, -1], atol=1e-7)


def test_the_length_of_features_does_not_matter_to_the_nearest_neighbour() -> None:
    asked, bank = birds(30, 1)[0], birds(60, 2)[0]
    scales = np.random.default_rng(0).uniform(0.1, 50, (30, 1))
    np.testing.assert_allclose(nearest_neighbour(asked * scales, bank), nearest_neighbour(asked, bank), rtol=1e-9)


def test_features_of_zeros_are_one_away_from_all_others() -> None:
    assert nearest_neighbour(np.zeros((1, 3)), np.array([[1.0, 0, 0], [0, 2, 0]]), 1).tolist() == [-1]


@pytest.mark.parametrize(("count", "width"), [(400, 12), (30, 40)])  # more pictures than features, and fewer
def test_mahalanobis_is_the_distance_to_the_nearest_mean_under_scikit_learn_s_shrunk_covariance(
    count: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openset, "_ROWS", 7)
    (asked, _), (bank, targets) = birds(50, 1, width), birds(count, 2, width)
    means = np.stack([bank[targets == number].mean(0) for number in range(4)])
    inverse = np.linalg.inv(LedoitWolf(assume_centered=True).fit(bank - means[targets]).covariance_)
    expected = -(cdist(asked, means, "mahalanobis", VI=inverse) ** 2).min(1)
    np.testing.assert_allclose(mahalanobis(asked, bank, targets), expected, rtol=1e-8)


def test_relative_mahalanobis_takes_off_the_distance_to_the_whole_bank() -> None:
    (asked, _), (bank, targets) = birds(50, 1), birds(300, 2)
    inverse = np.linalg.inv(LedoitWolf().fit(bank).covariance_)
    background = cdist(asked, bank.mean(0, keepdims=True), "mahalanobis", VI=inverse)[:, 0] ** 2
    expected = mahalanobis(asked, bank, targets) + background
    np.testing.assert_allclose(relative_mahalanobis(asked, bank, targets), expected, rtol=1e-8)


def test_the_numbers_of_the_classes_do_not_matter() -> None:
    (asked, _), (bank, targets) = birds(50, 1), birds(300, 2)
    names = np.array([70, 3, 11, 5])
    np.testing.assert_allclose(mahalanobis(asked, bank, names[targets]), mahalanobis(asked, bank, targets), rtol=1e-9)


def test_a_feature_that_is_dead_in_the_bank_breaks_nothing() -> None:
    (asked, _), (bank, targets) = birds(50, 1), birds(300, 2)
    bank[:, 3] = 0
    assert np.isfinite(mahalanobis(asked, bank, targets)).all()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_finds_known_birds_more_familiar_than_strange_ones(name: str) -> None:
    rng, bank = np.random.default_rng(0), Bank(*birds(400, 2))
    features, targets = birds(200, 3)
    known = Evidence(rng.normal(size=(200, 4)) + 6 * np.eye(4)[targets], features)  # one logit stands out
    unknown = Evidence(rng.normal(size=(200, 4)), -birds(200, 4)[0])  # on the other side of the origin
    familiar, strange = METHODS[name](known, bank), METHODS[name](unknown, bank)
    assert familiar.shape == strange.shape == (200,)
    assert auroc(familiar, strange) > 0.95


def test_a_bank_of_fewer_pictures_than_neighbours_is_asked_for_its_farthest() -> None:
    bank = Bank(np.eye(2), np.array([0, 1]))
    got = METHODS["nearest neighbour"](Evidence(np.eye(2), np.eye(2)), bank)
    assert got == pytest.approx([-math.sqrt(2)] * 2)


def test_thousands_against_thousands_are_compared_in_blocks() -> None:
    asked, bank = np.ones((6000, 4), np.float32), np.ones((6000, 4), np.float32)
    tracemalloc.start()
    nearest_neighbour(asked, bank)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000 * 6000 * 8  # bytes of all distances at once


@given(SCORES, SCORES)
def test_auroc_is_scikit_learn_s_and_mann_and_whitney_s(known: list[int], unknown: list[int]) -> None:
    truth = [1] * len(known) + [0] * len(unknown)
    got = auroc(np.array(known), np.array(unknown))
    assert got == pytest.approx(roc_auc_score(truth, known + unknown), abs=1e-12)
    u = mannwhitneyu(known, unknown, method="asymptotic").statistic if len({*known, *unknown}) > 1 else None
    assert u is None or got == pytest.approx(u / (len(known) * len(unknown)), abs=1e-12)


def test_auroc_counts_a_tie_as_half() -> None:
    won = 3 + 3 + (2 + 0.5) + (2 + 0.5) + 1  # for each of KNOWN, how many of UNKNOWN it beats
    assert auroc(KNOWN, UNKNOWN) == won / 20
    assert auroc(np.ones(3), np.ones(7)) == 0.5
    assert auroc(np.array([math.inf, 1]), np.array([-math.inf, 0])) == 1


@given(SCORES, SCORES, st.sampled_from([0.05, 0.07, 0.5, 0.8, 0.9, 0.95, 1.0]))
def test_false_positives_are_those_of_scikit_learn_s_curve(known: list[int], unknown: list[int], recall: float) -> None:
    truth = [1] * len(known) + [0] * len(unknown)
    shares, recalls, _ = roc_curve(truth, known + unknown, drop_intermediate=False)
    expected = shares[np.argmax(recalls >= recall)]
    assert false_positives_at_recall(np.array(known), np.array(unknown), recall) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("recall", "accepted"),
    [(0.2, 1), (0.21, 1), (0.4, 1), (0.41, 2), (0.8, 2), (0.81, 3), (1.0, 3)],
)
def test_a_threshold_keeps_the_recall_and_accepts_its_own_score(recall: float, accepted: int) -> None:
    assert false_positives_at_recall(KNOWN, UNKNOWN, recall) == accepted / 4


@pytest.mark.parametrize("count", range(1, 200))
def test_a_recall_of_so_many_hundredths_needs_no_picture_more(count: int) -> None:
    known, unknown = np.arange(count, dtype=float), np.arange(count, dtype=float) - 0.5
    kept = -(-95 * count // 100)  # in whole numbers, rounded up
    assert false_positives_at_recall(known, unknown) == pytest.approx((kept - 1) / count)


@pytest.mark.parametrize("figure", [auroc, false_positives_at_recall])
@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [[1.0]]], ids=["empty", "NaN", "two dimensions"])
def test_a_side_without_numbers_is_refused(figure: Callable[..., float], bad: list[float]) -> None:
    with pytest.raises(DataError, match="unknown"):
        figure(KNOWN, np.array(bad))
    with pytest.raises(DataError, match=r"known (is|holds)"):
        figure(np.array(bad), UNKNOWN)


@pytest.mark.parametrize("recall", [0.0, -1.0, 1.01, math.nan])
def test_a_recall_that_is_no_share_is_refused(recall: float) -> None:
    with pytest.raises(UsageError, match="recall"):
        false_positives_at_recall(KNOWN, UNKNOWN, recall)


@pytest.mark.parametrize("method", [maximum_softmax, maximum_logit, energy])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_refused(method: Callable[..., Doubles], bad: float) -> None:
    with pytest.raises(DataError, match="logits holds NaN or an infinite"):
        method(np.array([[0.0, 1.0], [0.0, bad]]))


@pytest.mark.parametrize("shape", [(0, 3), (3,), (3, 0), (1, 2, 3)])
def test_features_that_are_no_rows_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="features is"):
        nearest_neighbour(np.zeros(shape), np.ones((5, 3)))


def test_rows_that_do_not_fit_are_refused() -> None:
    rows = np.ones((5, 3))
    with pytest.raises(UsageError, match="rows of one length"):
        nearest_neighbour(np.ones((2, 4)), rows)
    with pytest.raises(UsageError, match=r"targets is \(4,\); expected \(5,\)"):
        mahalanobis(rows, rows, np.zeros(4, int))


@pytest.mark.parametrize("k", [0, 6])
def test_more_neighbours_than_there_are_are_refused(k: int) -> None:
    with pytest.raises(UsageError, match=f"k is {k}; expected 1 to 5"):
        nearest_neighbour(np.ones((2, 3)), np.ones((5, 3)), k)


@pytest.mark.parametrize("targets", [[0, 1, 2], [0, 0, 1]], ids=["one picture each", "two that are the same"])
def test_classes_of_one_picture_have_no_covariance(targets: list[int]) -> None:
    bank = np.array([[1.0, 2.0], [1.0, 2.0], [4.0, 4.0]])
    with pytest.raises(DataError, match="has no inverse"):
        mahalanobis(bank, bank, np.array(targets))
