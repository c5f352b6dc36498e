"""Logistic regression on a network's features: a linear probe, whose weight decay is cross-validated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bluebird.transfer.features import Features
from bluebird.transfer.head import Head, Scale

WEIGHT_DECAYS = tuple(10 ** (-step / 2) for step in range(13))
"""From 1 down to a millionth."""

_FOLDS = 4
_PATIENCE = 2  # weaker decays in a row that were no better
_ITERATIONS = 200
_ENOUGH, _ENOUGH_TO_COMPARE = 1e-5, 1e-4  # of the loss's slope; the latter takes half the time, for the same choice


@dataclass(frozen=True)
class Trial:
    """A weight decay, and the loss, its standard error, and the accuracy it had on pictures that were held out."""

    weight_decay: float
    loss: float
    error: float
    accuracy: float


@dataclass(frozen=True)
class Probe:
    """The head, the trial of the weight decay it was fitted with, and all trials from strong to weak."""

    head: Head
    best: Trial
    trials: list[Trial]


def fit_probe(train: Features, num_classes: int, weight_decays: Sequence[float] = WEIGHT_DECAYS) -> Probe:
    """The head fitted to all of `train`, with the weight decay that suits pictures held out of it.

    Each quarter of a class is held out once, in the order of the pictures, so that neighbours, which are often of one
    moment, stay together; what counts is the mean loss of all that were held out. Decays are tried from strong to weak,
    until two in a row are no better; the strongest is taken whose loss lies within a standard error of the least. The
    val split has no part in it: it can still tell how good the head is.

    Features are centred and scaled for the fit, all by one number, so that their variances have the mean 1. It
    minimises the mean cross-entropy and half the weight decay times the sum of squared weights; the bias decays not.
    All is in float64 on the CPU, so that the same features give the same head. Where there are more features than
    pictures, the fit happens in the space that the pictures span, in which the best weights lie.

    Source: L-BFGS with strong Wolfe conditions (Nocedal and Wright 2006, ch. 7), as torch has it; the rule of one
    standard error from Hastie, Tibshirani and Friedman 2009, section 7.10.
    """
    space = _Space.of(train)
    x = space.x
    trials: list[Trial] = []
    folds = _folds(train.targets, num_classes)
    heads = [_blank(num_classes, x)] * _FOLDS
    for decay in sorted(weight_decays, reverse=True):
        heads = [
            _fit(x[folds != fold], train.targets[folds != fold], head, decay, _ENOUGH_TO_COMPARE)
            for fold, head in enumerate(heads)
        ]
        trials.append(_judge(x, train.targets, folds, heads, decay))
        if _least(trials) not in trials[-_PATIENCE:]:
            break
    least = _least(trials)
    best = next(trial for trial in trials if trial.loss <= least.loss + least.error)
    return Probe(space.head(train.targets, num_classes, best.weight_decay), best, trials)


def fit_head(train: Features, num_classes: int, weight_decay: float) -> Head:
    """The head fitted to all of `train` with this weight decay, which `fit_probe` describes."""
    return _Space.of(train).head(train.targets, num_classes, weight_decay)


@dataclass(frozen=True)
class _Space:
    """Where the fit happens: scaled features x, float64 (N, R), along the directions `basis` (R, F)."""

    scale: Scale
    x: Tensor
    basis: Tensor

    @classmethod
    def of(cls, features: Features) -> _Space:
        values = features.values.double()
        scale = Scale.shared(values)
        return cls(scale, *_spanned(scale(values)))

    def head(self, targets: Tensor, num_classes: int, weight_decay: float) -> Head:
        """The head that suits all of x, for features as they came."""
        head = _fit(self.x, targets, _blank(num_classes, self.x), weight_decay, _ENOUGH)
        return Head(head.weight @ self.basis, head.bias).after(self.scale)


def _least(trials: Sequence[Trial]) -> Trial:
    return min(trials, key=lambda trial: trial.loss)


def _spanned(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (N, F) as coordinates (N, R) along R orthonormal directions (R, F), R the smaller of N and F."""
    if len(x) >= x.shape[1]:
        return x, torch.eye(x.shape[1], dtype=x.dtype)
    directions, coordinates = torch.linalg.qr(x.T)
    return coordinates.T.contiguous(), directions.T


def _folds(targets: Tensor, num_classes: int) -> Tensor:
    """The fold of each picture (N,): each class in as many runs as there are folds, the first in a fold of its own."""
    folds = torch.empty_like(targets)
    for label in range(num_classes):
        rows = (targets == label).nonzero()[:, 0]
        folds[rows] = (torch.arange(len(rows)) * _FOLDS // max(1, len(rows)) + label) % _FOLDS
    return folds


def _judge(x: Tensor, targets: Tensor, folds: Tensor, heads: Sequence[Head], weight_decay: float) -> Trial:
    """What the pictures' loss is, each under the head that has not seen it."""
    logits = torch.stack([head(x) for head in heads])[folds, torch.arange(len(x))]
    losses = functional.cross_entropy(logits, targets, reduction="none")
    error = float(losses.std()) / len(losses) ** 0.5
    return Trial(weight_decay, float(losses.mean()), error, float((logits.argmax(1) == targets).double().mean()))


def _blank(num_classes: int, x: Tensor) -> Head:
    return Head(x.new_zeros(num_classes, x.shape[1]), x.new_zeros(num_classes))


def _fit(x: Tensor, targets: Tensor, start: Head, weight_decay: float, enough: float) -> Head:
    weight, bias = (tensor.clone().requires_grad_() for tensor in (start.weight, start.bias))
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_ITERATIONS, tolerance_grad=enough, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(x @ weight.T + bias, targets) + weight_decay / 2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return Head(weight.detach(), bias.detach())
