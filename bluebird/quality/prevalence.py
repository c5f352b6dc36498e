"""A test set speaks of the database: there the bird is rarer than among the pictures that were gathered to train on.

Only how common each class is changes, P(y); what a class looks like, P(x | y), stays (label shift). Where that does
not hold, as with another camera or season, no weight mends it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bluebird.errors import DataError, UsageError

Flags: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.floating[Any]]
Doubles: TypeAlias = NDArray[np.float64]

WHOLE = 1e-2
"""How far probabilities of one picture, or shares of the classes, may sum to something else than 1."""


def weights_at(relevant: Flags, prevalence: float) -> Doubles:
    """Weights (N,) that sum to 1, those of the relevant pictures (N,) to `prevalence`, alike inside each of the two.

    With them all of `bluebird.quality.ranking` speaks of a database of which that share is the target, and "looked"
    is a share of it; a resample's weights are multiplied by them.

    They make no pictures. That n others hold none above some score says little of a database with far more of them:
    where n times the prevalence is below some tens, the precision of the best comes out too good, the average
    precision with it, and no bootstrap sees that. The looks for a high recall, deep in the others, suffer far less.

    Raises: `UsageError` for a prevalence outside of (0, 1); `DataError` where all pictures, or none, are relevant.

    Source: the importance weights P'(y) / P(y) of label shift; Saerens et al. 2002, as in `shifted`; Elkan 2001, "The
    foundations of cost-sensitive learning", sec. 3.
    """
    relevant = np.asarray(relevant)
    if relevant.ndim != 1 or relevant.dtype != np.bool_:
        raise UsageError(f"relevant is {relevant.dtype} {relevant.shape}: expected bool (N,)")
    share = _priors(np.asarray(prevalence, np.float64))[1]
    positives = int(relevant.sum())
    others = len(relevant) - positives
    if not positives or not others:
        raise DataError(f"{positives:,} pictures of the target and {others:,} others: expected some of both")
    weights: Doubles = np.where(relevant, share / positives, (1 - share) / others)
    return weights


def shifted(probs: Floats, old_prior: ArrayLike, new_prior: ArrayLike) -> Doubles:
    """What `probs` become, in their shape, where the classes are as common as `new_prior` says, not `old_prior`.

    `probs` are (N, K) with priors (K,), the classes' shares, or those of one class against all else, (N,), with its
    share as a number. The order of the pictures by one class stays for (N,); for (N, K) it need not.

    Raises: `UsageError` for shares outside of (0, 1), that do not sum to 1 or are not one for each class; `DataError`
    for probabilities outside of [0, 1] or that do not sum to 1.

    Source: Saerens, Latinne & Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori
    probabilities: a simple procedure", eq. 2.4.
    """
    values = np.asarray(probs, np.float64)
    if values.ndim not in (1, 2):
        raise UsageError(f"probs {values.shape}: expected (N,) or (N, K)")
    columns = values if values.ndim == 2 else np.stack([1 - values, values], 1)  # (N, K)
    wrong = ~((columns >= 0).all(1) & (abs(columns.sum(1) - 1) <= WHOLE))  # NaN is wrong, too
    if wrong.any():
        raise DataError(f"{int(wrong.sum()):,} of {len(wrong):,} are no probabilities: expected 0 to 1, summing to 1")
    old, new = np.asarray(old_prior, np.float64), np.asarray(new_prior, np.float64)
    if not old.shape == new.shape == values.shape[1:]:
        raise UsageError(f"priors {old.shape} and {new.shape} for probs {values.shape}: expected one for each class")
    posterior = columns * (_priors(new) / _priors(old))
    posterior /= posterior.sum(1, keepdims=True)
    return posterior if values.ndim == 2 else posterior[:, 1]


def _priors(shares: Doubles) -> Doubles:
    """Shares (K,) of the classes; of all else and the class, (2,), for a single number, ()."""
    if not ((shares > 0) & (shares < 1)).all():
        raise UsageError(f"prevalence {shares.tolist()}: expected shares between 0 and 1, as 0.001")
    if shares.ndim == 0:
        return np.stack([1 - shares, shares])
    if abs(shares.sum() - 1) > WHOLE:
        raise UsageError(f"prevalences that sum to {shares.sum():.6g}: expected one for each class, 1 in all")
    return shares
