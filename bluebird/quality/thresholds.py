"""From what score on pictures are accepted, so that enough are found or enough of them are right.

A picture is accepted where its score is the threshold or higher. A threshold chosen on a test set keeps what it
promises only on average there: on other pictures recall and precision come out to both sides of it.
"""

from __future__ import annotations

import numpy as np

from bluebird.errors import DataError, UsageError
from bluebird.quality.ranking import ROUNDING, Ranking, precision_recall, reaching


def for_recall(r: Ranking, recall: float) -> float:
    """The greatest threshold that accepts the share `recall` of the relevant pictures, or more.

    Raises: `UsageError` for a recall outside of (0, 1].
    """
    return float(r.thresholds[reaching(r, recall)])


def for_precision(r: Ranking, precision: float) -> float:
    """The least threshold of whose pictures the share `precision`, or more, is relevant: the largest such set.

    Precision does not rise steadily with the threshold; higher ones may have less of it.

    Raises: `UsageError` for a precision outside of (0, 1]; `DataError` where no threshold has it.
    """
    if not 0 < precision <= 1:
        raise UsageError(f"a precision of {precision}: expected a share above 0 and up to 1, as 0.9")
    reached = precision_recall(r)[1]
    enough = np.flatnonzero(reached >= precision * (1 - ROUNDING))
    if not len(enough):
        best = int(reached.argmax())
        raise DataError(
            f"no threshold has a precision of {precision}: the best is {reached[best]:.4g}, "
            f"from {r.thresholds[best]:.6g} on; ask for no more than that"
        )
    return float(r.thresholds[enough[-1]])
