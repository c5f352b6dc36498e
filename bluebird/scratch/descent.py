"""Gradient descent by hand: forward, backward, update, until nothing moves any more.

while not converged:
    for each batch:
        theta_new = theta_old - alpha dE/dtheta
    converged = |theta_new - theta_old| < threshold
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor

from bluebird.scratch import checks

Batch = TypeVar("Batch")


class Optimizer(Protocol):
    """Moves parameters, in place, against their gradients."""

    def step(self, theta: Sequence[Tensor], grads: Sequence[Tensor]) -> None: ...


def sgd_step(theta: Tensor, grad: Tensor, *, lr: float) -> None:
    """Move `theta` in place, down the slope."""
    # theta_new = theta_old - alpha dE/dtheta
    theta.sub_(grad, alpha=lr)


def momentum_step(theta: Tensor, grad: Tensor, velocity: Tensor, *, lr: float, momentum: float) -> None:
    """Move `theta` and its `velocity`, which starts at zero, in place.

    Source: Polyak 1964, in the form of torch.optim.SGD.
    """
    # v_new = mu v_old + dE/dtheta
    velocity.mul_(momentum).add_(grad)
    # theta_new = theta_old - alpha v_new
    theta.sub_(velocity, alpha=lr)


def adam_step(
    theta: Tensor, grad: Tensor, mean: Tensor, square: Tensor,
    *, number: int, lr: float, betas: tuple[float, float], eps: float,
) -> None:  # fmt: skip
    """Move `theta`, and the running `mean` and `square` of its gradient, which start at zero, in place.

    `number` counts the steps from 1.

    Source: Kingma & Ba 2014 (arXiv 1412.6980), algorithm 1.
    """
    b1, b2 = betas
    # m_new = b1 m_old + (1 - b1) g
    mean.mul_(b1).add_(grad, alpha=1 - b1)
    # s_new = b2 s_old + (1 - b2) g^2
    square.mul_(b2).addcmul_(grad, grad, value=1 - b2)
    # both started at zero, and are still too near to it by 1 - b^t
    unbiased_mean = mean / (1 - b1**number)
    unbiased_square = square / (1 - b2**number)
    # theta_new = theta_old - alpha m / (sqrt(s) + eps)
    theta.sub_(unbiased_mean / (unbiased_square.sqrt() + eps), alpha=lr)


class SGD:
    """Down the slope, with a memory of the way so far."""

    def __init__(self, lr: float, momentum: float = 0.0) -> None:
        checks.above_zero("lr", lr)
        checks.share("momentum", momentum)
        self.lr = lr
        self.momentum = momentum
        self._velocities: list[Tensor] = []

    def step(self, theta: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
        if not self.momentum:
            for parameter, grad in zip(theta, grads, strict=True):
                sgd_step(parameter, grad, lr=self.lr)
            return
        self._velocities = self._velocities or [torch.zeros_like(parameter) for parameter in theta]
        for parameter, grad, velocity in zip(theta, grads, self._velocities, strict=True):
            momentum_step(parameter, grad, velocity, lr=self.lr, momentum=self.momentum)


class Adam:
    """Steps of like size for every parameter: the mean gradient over the root of its mean square."""

    def __init__(self, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        checks.above_zero("lr", lr)
        for name, beta in zip(("beta1", "beta2"), betas, strict=True):
            checks.share(name, beta)
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self._moments: list[tuple[Tensor, Tensor]] = []
        self._number = 0

    def step(self, theta: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
        self._moments = self._moments or [(torch.zeros_like(p), torch.zeros_like(p)) for p in theta]
        self._number += 1
        for parameter, grad, (mean, square) in zip(theta, grads, self._moments, strict=True):
            adam_step(parameter, grad, mean, square, number=self._number, lr=self.lr, betas=self.betas, eps=self.eps)


@dataclass
class Descent:
    """How it went: the error before each step, theta after each epoch, why it stopped."""

    errors: list[float] = field(default_factory=list)
    path: list[list[Tensor]] = field(default_factory=list)
    epochs: int = 0
    movement: float = math.inf
    reason: Literal["converged", "max_epochs"] = "max_epochs"


def descend(
    theta: Sequence[Tensor],
    step: Callable[[Batch], tuple[float, Sequence[Tensor]]],
    batches: Callable[[int], Iterable[Batch]],
    optimizer: Optimizer,
    *,
    max_epochs: int,
    threshold: float | None = None,
) -> Descent:
    """Train `theta` in place.

    Args:
        theta: the parameters.
        step: forward and backward of one batch: its error and the gradients of `theta`.
        batches: the batches of an epoch, from its number.
        max_epochs: when to stop at the latest.
        threshold: stop when no parameter has moved by as much as this over an epoch.

    Raises:
        ValueError: a threshold at or below zero, or an error that is no number any more.
    """
    if threshold is not None:
        checks.above_zero("threshold", threshold)
    descent = Descent()
    for epoch in range(max_epochs):
        before = [parameter.clone() for parameter in theta]
        for batch in batches(epoch):
            error, grads = step(batch)
            if not math.isfinite(error):
                raise ValueError(f"the error became {error} in epoch {epoch + 1}; lower the learning rate")
            optimizer.step(theta, grads)
            descent.errors.append(error)
        descent.epochs = epoch + 1
        descent.path.append([parameter.clone() for parameter in theta])
        descent.movement = max(float((p - b).abs().max()) for p, b in zip(theta, before, strict=True))
        if threshold is not None and descent.movement < threshold:
            descent.reason = "converged"
            break
    return descent
