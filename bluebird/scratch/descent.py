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

Batch = TypeVar("Batch")


class Optimizer(Protocol):
    """Moves parameters, in place, against their gradients."""

    def step(self, theta: Sequence[Tensor], grads: Sequence[Tensor]) -> None: ...


class SGD:
    """Down the slope, with a memory of the way so far.

    Source: Polyak 1964, in the form of torch.optim.SGD: the velocity starts as the first gradient.
    """

    def __init__(self, lr: float, momentum: float = 0.0) -> None:
        _check_positive("lr", lr)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum}; expected a number from 0 up to, not including, 1")
        self.lr = lr
        self.momentum = momentum
        self._velocities: list[Tensor] = []

    @torch.no_grad()
    def step(self, theta: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
        if not self._velocities:
            self._velocities = [torch.zeros_like(grad) for grad in grads]
        for parameter, grad, velocity in zip(theta, grads, self._velocities, strict=True):
            # v_new = mu v_old + dE/dtheta
            velocity.mul_(self.momentum).add_(grad)
            # theta_new = theta_old - alpha v_new
            parameter.sub_(self.lr * velocity)


class Adam:
    """Steps of like size for every parameter: the mean gradient over the root of its mean square.

    Source: Kingma & Ba 2014 (arXiv 1412.6980), algorithm 1.
    """

    def __init__(self, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        _check_positive("lr", lr)
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self._moments: list[tuple[Tensor, Tensor]] = []
        self._steps = 0

    @torch.no_grad()
    def step(self, theta: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
        if not self._moments:
            self._moments = [(torch.zeros_like(grad), torch.zeros_like(grad)) for grad in grads]
        self._steps += 1
        b1, b2 = self.betas
        for parameter, grad, (mean, square) in zip(theta, grads, self._moments, strict=True):
            # m_new = b1 m_old + (1 - b1) g
            mean.mul_(b1).add_((1 - b1) * grad)
            # s_new = b2 s_old + (1 - b2) g^2
            square.mul_(b2).add_((1 - b2) * grad * grad)
            # both started at zero, and are still too near to it by 1 - b^t
            unbiased_mean = mean / (1 - b1**self._steps)
            unbiased_square = square / (1 - b2**self._steps)
            # theta_new = theta_old - alpha m / (sqrt(s) + eps)
            parameter.sub_(self.lr * unbiased_mean / (unbiased_square.sqrt() + self.eps))


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
        _check_positive("threshold", threshold)
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


def _check_positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} is {value}; expected a finite number above 0")
