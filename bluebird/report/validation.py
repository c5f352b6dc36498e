"""What a model's own validation says: the ranking of its val split, and the score from which on to accept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from bluebird.bundle import Bundle
from bluebird.errors import DataError
from bluebird.quality.ranking import Ranking, ranking
from bluebird.quality.thresholds import for_precision, for_recall

Doubles: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]


def held_out(model: Bundle, target: Sequence[str]) -> tuple[Doubles, Flags]:
    """The score (M,) of each picture of the val split, and which of them (M,) show the target.

    The probabilities of the target's classes add up, at the model's temperature, as in a search.

    Raises:
        DataError: the model brings no validation.
    """
    if model.validation is None:
        raise DataError("this model brings no validation: it is a checkpoint, or was not trained to the end")
    columns = [model.classes.index(name) for name in target]
    probs = softmax(model.validation.logits.double().numpy() / model.temperature, axis=1)
    return probs[:, columns].sum(1).clip(0, 1), np.isin(model.validation.targets.numpy(), columns)


def validation_ranking(model: Bundle, target: Sequence[str]) -> Ranking:
    """The val split's pictures by their score.

    Raises:
        DataError: the model brings no validation, or no picture of the target was in it.
    """
    return ranking(*held_out(model, target))


def threshold_for(model: Bundle, target: Sequence[str], what: Literal["recall", "precision"], share: float) -> float:
    """The score from which on to accept, so that on the val split recall, or precision, is `share` or more.

    Raises:
        UsageError: a share that is not above 0 and up to 1.
        DataError: as `validation_ranking`; and a precision that is never reached.
    """
    choose = for_recall if what == "recall" else for_precision
    return choose(validation_ranking(model, target), share)
