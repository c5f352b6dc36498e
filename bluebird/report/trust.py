"""Whether scores can be taken at their word, and from which one on to accept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from bluebird.errors import DataError
from bluebird.quality.calibration import (
    Reliability,
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
    reliability,
)
from bluebird.quality.ranking import Ranking
from bluebird.quality.thresholds import for_precision, for_recall
from bluebird.report.judged import Judged
from bluebird.report.validation import validation_ranking

_RECALLS, _PRECISIONS = (0.8, 0.9, 0.95, 0.99), (0.5, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Trust:
    """The probabilities of the pictures whose class the model has, with the temperature and without it."""

    temperature: float
    pictures: int
    accuracy: float
    after: Reliability
    before: Reliability
    target: Reliability
    """Of the target's own score, over all pictures."""
    figures: dict[str, dict[str, float]]


def trust(judged: Judged) -> Trust:
    """Calibration on the pictures to judge by, none of which the temperature was fitted on."""
    known = judged.said.known
    calibrated, targets = judged.said.probs[known], judged.said.targets[known]
    plain = softmax(judged.said.logits[known], axis=1)
    right = calibrated.argmax(1) == targets
    after, before = (reliability(probs.max(1), right) for probs in (calibrated, plain))
    return Trust(
        temperature=judged.model.temperature,
        pictures=len(right),
        accuracy=float(right.mean()),
        after=after,
        before=before,
        target=reliability(judged.scores, judged.relevant),
        figures={
            name: {
                "negative_log_likelihood": negative_log_likelihood(probs, targets),
                "brier_score": brier_score(probs, targets),
                "expected_calibration_error": expected_calibration_error(diagram),
            }
            for name, probs, diagram in (("calibrated", calibrated, after), ("uncalibrated", plain, before))
        },
    )


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score from which to accept, chosen on the val split for `wanted`, and what it gives where the model is judged.

    NaN stands for a threshold that does not exist, since validation never reaches what is wanted, and for a precision
    of nothing.
    """

    wanted: str
    threshold: float
    recall: float
    precision: float

    def summary(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in ("threshold", "recall", "precision")}
        return {"wanted": self.wanted} | {name: None if np.isnan(v) else v for name, v in values.items()}


def thresholds(judged: Judged) -> list[Threshold]:
    """Thresholds for some recalls and precisions, each tried on the pictures to judge by; none without a validation."""
    try:
        validation = validation_ranking(judged.model, judged.target)
    except DataError:
        return []
    by_recall = [_tried(judged, f"recall {share:.0%}", for_recall(validation, share)) for share in _RECALLS]
    by_precision = [
        _tried(judged, f"precision {share:.0%}", _for_precision(validation, share)) for share in _PRECISIONS
    ]
    return by_recall + by_precision


def _for_precision(validation: Ranking, share: float) -> float:
    try:
        return for_precision(validation, share)
    except DataError:
        return float("nan")


def _tried(judged: Judged, wanted: str, threshold: float) -> Threshold:
    accepted: NDArray[np.bool_] = judged.scores >= threshold
    right = float((accepted & judged.relevant).sum())
    return Threshold(
        wanted,
        threshold,
        right / judged.relevant.sum() if threshold == threshold else float("nan"),
        right / accepted.sum() if accepted.any() else float("nan"),
    )
