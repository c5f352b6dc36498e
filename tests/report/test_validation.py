from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bluebird.bundle import Bundle, Preprocessing, Validation
from bluebird.errors import DataError
from bluebird.nets import MLP
from bluebird.report.validation import threshold_for

BARE = Bundle(MLP(3, 8, widths=[4]).eval(), ("a", "b", "c"), Preprocessing(8, [0.5] * 3, [0.5] * 3))
PROBS = torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.5, 0.3, 0.2], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6]])
VALIDATION = Validation(2 * PROBS.log(), torch.tensor([0, 1, 0, 1, 0]))  # at temperature 2 these are the probabilities
MODEL = replace(BARE, validation=VALIDATION, temperature=2.0)


@pytest.mark.parametrize(
    ("target", "what", "share", "expected"),
    [
        (["a"], "recall", 0.6, 0.5),
        (["a"], "recall", 1.0, 0.2),
        (["a"], "precision", 1.0, 0.8),
        (["a"], "precision", 0.66, 0.5),
        (["b", "c"], "recall", 1.0, 0.4),  # their probabilities add up
    ],
)
def test_the_threshold_is_the_one_counted_by_hand(target: list[str], what: str, share: float, expected: float) -> None:
    assert threshold_for(MODEL, target, what, share) == pytest.approx(expected)  # type: ignore[arg-type]


def test_without_a_validation_there_is_no_threshold() -> None:
    with pytest.raises(DataError, match="brings no validation"):
        threshold_for(BARE, ["a"], "recall", 0.9)


def test_a_target_that_validation_lacks_has_no_threshold() -> None:
    with pytest.raises(DataError, match="no picture of the target"):
        threshold_for(MODEL, ["c"], "recall", 0.9)
