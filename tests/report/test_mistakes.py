from __future__ import annotations

import numpy as np
from sklearn.metrics import confusion_matrix

from bluebird.report.judged import UNKNOWN
from bluebird.report.mistakes import confusion


def test_rows_are_what_it_was_and_columns_what_it_was_taken_for() -> None:
    lot = np.random.default_rng(2)
    targets, probs = lot.integers(0, 4, 200), lot.dirichlet(np.ones(4), 200)
    expected = confusion_matrix(targets, probs.argmax(1), labels=range(4))
    assert not np.array_equal(expected, expected.T)
    assert np.array_equal(confusion(targets, probs), expected)


def test_a_species_that_the_model_lacks_has_no_row() -> None:
    targets, probs = np.array([UNKNOWN, 1]), np.array([[0.9, 0.1], [0.8, 0.2]])
    assert confusion(targets, probs).tolist() == [[0, 0], [1, 0]]
