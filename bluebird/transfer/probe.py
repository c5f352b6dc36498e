"""Logistic regression on a network's features: a linear probe, whose weight decay the val split chooses."""

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

_ITERATIONS = 200
_ENOUGH = 1e-5  # of the loss's slope


@dataclass(frozen=True)
class Probe:
    """The head that was best on the val split, its weight decay, and the loss and accuracy of each that was tried."""

    head: Head
    weight_decay: float
    tried: list[tuple[float, float, float]]


def fit_probe(
    train: Features, val: Features, num_classes: int, weight_decays: Sequence[float] = WEIGHT_DECAYS
) -> Probe:
    """The head with the least loss on `val` among those fitted to `train`.

    Features are centred and scaled for the fit, all by one number, so that their variances have the mean 1. It
    minimises the mean cross-entropy and half the weight decay times the sum of squared weights; the bias decays not.
    Each fit starts from the one before, from strong to weak, in float64 on the CPU, so that the same features give the
    same head.

    Source: L-BFGS with strong Wolfe conditions (Nocedal and Wright 2006, ch. 7), as torch has it.
    """
    scale = Scale.shared(train.values.double())
    x, x_val = scale(train.values.double()), scale(val.values.double())
    head = Head(x.new_zeros(num_classes, x.shape[1]), x.new_zeros(num_classes))
    heads, tried = [], []
    for decay in sorted(weight_decays, reverse=True):
        head = _fit(x, train.targets, head, decay)
        logits = head(x_val)
        loss = functional.cross_entropy(logits, val.targets)
        right = (logits.argmax(1) == val.targets).double().mean()
        heads.append(head)
        tried.append((decay, float(loss), float(right)))
    best = min(range(len(tried)), key=lambda place: tried[place][1])
    return Probe(heads[best].after(scale), tried[best][0], tried)


def _fit(x: Tensor, targets: Tensor, start: Head, weight_decay: float) -> Head:
    weight, bias = (tensor.clone().requires_grad_() for tensor in (start.weight, start.bias))
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_ITERATIONS, tolerance_grad=_ENOUGH, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(x @ weight.T + bias, targets) + weight_decay / 2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return Head(weight.detach(), bias.detach())
