from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from bluebird.report.search import search_quality

RNG = np.random.default_rng(5)
RELEVANT = np.arange(400) < 60
SCORES = 1 / (1 + np.exp(-(RNG.normal(size=400) + 2 * RELEVANT)))


def test_the_figures_are_those_counted_by_hand() -> None:
    found = search_quality(SCORES, RELEVANT)
    order = np.argsort(-SCORES)
    hits = np.cumsum(RELEVANT[order])
    assert found.average_precision.value == pytest.approx(average_precision_score(RELEVANT, SCORES))
    assert found.looks[0.95].value == 1 + int(np.searchsorted(hits, 57))  # 95 % of 60
    assert found.first == (10, 20, 50, 100, 200)
    assert [figure.value for figure in found.precision] == pytest.approx([hits[k - 1] / k for k in found.first])
    assert [figure.value for figure in found.recall] == pytest.approx([hits[k - 1] / 60 for k in found.first])


def test_each_figure_lies_in_its_interval() -> None:
    found = search_quality(SCORES, RELEVANT)
    for figure in (found.average_precision, *found.looks.values(), *found.precision, *found.recall):
        assert figure.low <= figure.value <= figure.high
    assert found.average_precision.high - found.average_precision.low > 0.02


def test_in_a_rarer_database_the_others_count_for_more() -> None:
    rare = search_quality(SCORES, RELEVANT, prevalence=0.001)
    weights = np.where(RELEVANT, 0.001 / 60, 0.999 / 340)
    expected = average_precision_score(RELEVANT, SCORES, sample_weight=weights)
    assert rare.average_precision.value == pytest.approx(expected)
    order = np.argsort(-SCORES)
    place = int(np.searchsorted(np.cumsum(RELEVANT[order]), 57))
    before, upto = np.cumsum(weights[order])[place - 1], np.cumsum(weights[order])[place]
    assert before < rare.looks[0.95].value <= upto + 1e-12
    assert rare.first == ()


def test_intervals_too_speak_of_the_rarer_database() -> None:
    rare = search_quality(SCORES, RELEVANT, prevalence=0.001)
    for figure in (rare.average_precision, *rare.looks.values()):
        assert 0 < figure.low <= figure.value <= figure.high < 1


def test_the_same_seed_gives_the_same_intervals() -> None:
    one, other = search_quality(SCORES, RELEVANT, seed=1), search_quality(SCORES, RELEVANT, seed=1)
    assert one.summary() == other.summary()
    assert one.summary() != search_quality(SCORES, RELEVANT, seed=2).summary()
