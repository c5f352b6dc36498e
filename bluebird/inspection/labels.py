"""Labels that do not fit their pictures, by confident learning."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from bluebird.inspection.problem import Problem
from bluebird.pixels.layout import Listing

Features: TypeAlias = Callable[[Tensor], NDArray[np.float32]]
"""Features (N, F) of squares uint8 (N, 3, S, S)."""

FOLDS = 5
"""A class with fewer pictures is not judged: one of them would be missing from some part."""

TRUSTED = 2 / 3
"""Where what is said agrees with less than this share of the labels, too much of the disagreement is its own error."""

_SHARE_SHOWN, _LEAST_SHOWN = 0.02, 20  # of the pictures, where the judge is not trusted
_DIMENSIONS, _STRENGTH = 128, 0.03


@dataclass(frozen=True)
class Judge:
    """What pictures are known by to whoever judges their labels, and what that is called."""

    features: Features
    name: str
    is_network: bool


@dataclass(frozen=True)
class Judged:
    """Probable label errors, the likeliest first.

    Args:
        problems: one for each suspect.
        judged: how many pictures were judged.
        agreement: the share of these whose label is what is held likeliest, 0 to 1.
        left_out: classes with too few pictures.
        missing: why nothing was judged, or empty.
    """

    problems: list[Problem] = field(default_factory=list)
    judged: int = 0
    agreement: float = 0.0
    left_out: Sequence[str] = ()
    missing: str = ""

    @property
    def is_trusted(self) -> bool:
        """Whether the suspects are to be counted, or only the first of them worth a look."""
        return self.agreement >= TRUSTED


def judge_labels(listing: Listing, rows: Sequence[int], features: NDArray[np.float32]) -> Judged:
    """Which of the readable `rows`, with features (N, F), are probably labelled wrongly.

    Each picture gets probabilities from a logistic regression that has not seen it (5 parts, each judged by what the
    other four teach). Confident learning then says how often each class stands for each other, and so how many labels
    are wrong; those with the least probability of their own label are named.

    Where the regression agrees with less than two thirds of the labels, only the first 2 % (at least 20) are named.

    Source: Northcutt, Jiang, Chuang 2021 (arXiv 1911.00068), method "prune by noise rate", ranked by self-confidence,
    as the library cleanlab has it.
    """
    labels = np.array([listing.classes.index(listing.samples[row].label) for row in rows], np.int64)
    counts = np.bincount(labels, minlength=len(listing.classes))
    left_out = [listing.classes[index] for index in np.flatnonzero(counts < FOLDS)]
    chosen = np.flatnonzero(counts[labels] >= FOLDS)
    kept = np.flatnonzero(counts >= FOLDS)
    if len(kept) < 2:
        return Judged(left_out=left_out, missing=f"it takes two classes of at least {FOLDS} readable pictures each")
    try:
        targets = np.searchsorted(kept, labels[chosen])
        probs, suspects = _learn(features[chosen], targets)
    except ImportError:
        return Judged(left_out=left_out, missing="it takes other libraries: pip install 'bluebird[inspect]'")
    agreement = float((probs.argmax(1) == targets).mean())
    if agreement < TRUSTED:
        suspects = suspects[: max(_LEAST_SHOWN, round(_SHARE_SHOWN * len(targets)))]
    names = [listing.classes[index] for index in kept]
    problems = [_problem(rows[chosen[one]], probs[one], int(targets[one]), names) for one in suspects]
    return Judged(problems, len(chosen), agreement, left_out)


def _problem(row: int, probs: NDArray[np.float64], given: int, names: Sequence[str]) -> Problem:
    other = np.delete(np.arange(len(names)), given)
    likeliest = int(other[probs[other].argmax()])
    detail = f"looks like {names[likeliest]} (probability {probs[likeliest]:.2f}; of its label {probs[given]:.2f})"
    return Problem(row, "label", detail, suggestion=names[likeliest])


def _learn(features: NDArray[np.float32], targets: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[int]]:
    """Probabilities (N, K) of pictures not learnt from, and the numbers of the suspects."""
    with warnings.catch_warnings():  # the libraries advise programmers, on steps left and classes seldom seen
        warnings.simplefilter("ignore")
        from cleanlab.filter import find_label_issues
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        # the matrices are small: two threads that wait for each other take 30 times as long
        with threadpool_limits(1, user_api="blas"):
            probs = _held_out_probs(features, targets)
        found = find_label_issues(
            targets, probs, filter_by="prune_by_noise_rate", return_indices_ranked_by="self_confidence", n_jobs=1
        )
    return probs, [int(number) for number in found]


def _held_out_probs(features: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    from sklearn.model_selection import StratifiedKFold

    probs = np.zeros((len(targets), int(targets.max()) + 1))
    parts = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(features, targets)
    for learnt, held in tqdm(list(parts), desc="judging labels", unit=" parts", disable=None, leave=False):
        regression = _regression(min(_DIMENSIONS, features.shape[1], len(learnt)))
        probs[held] = regression.fit(features[learnt], targets[learnt]).predict_proba(features[held])
    return probs


def _regression(dimensions: int) -> Any:
    """Standardised features, their main directions, and a logistic regression held back strongly."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(), PCA(dimensions, random_state=0), LogisticRegression(C=_STRENGTH, max_iter=100, tol=1e-3)
    )
