"""The steps of `scratch.descent` as optimisers of torch, so that schedules, checkpoints and curves know them.

The equations stand there; here are only the places where state and settings are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from bluebird.errors import UsageError
from bluebird.scratch import checks
from bluebird.scratch.descent import adam_step, momentum_step, sgd_step


class SGD(Optimizer):
    """Gradient descent with momentum, by hand.

    Args:
        params: the parameters, or groups of them.
        lr: learning rate.
        momentum: share of the last step that goes into the next.

    Raises:
        UsageError: a rate at or below zero, or a momentum that is no share.
    """

    def __init__(self, params: Iterable[Any], lr: float = 0.05, momentum: float = 0.9) -> None:
        try:
            checks.above_zero("lr", lr)
            checks.share("momentum", momentum)
        except ValueError as error:
            raise UsageError(f"optimizer: {error}") from error
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else closure()
        for parameter, grad, group, state in _moving(self):
            if not group["momentum"]:
                sgd_step(parameter, grad, lr=group["lr"])
                continue
            velocity = state.setdefault("velocity", torch.zeros_like(parameter))
            momentum_step(parameter, grad, velocity, lr=group["lr"], momentum=group["momentum"])
        return loss


class Adam(Optimizer):
    """Adam by hand.

    Args:
        params: the parameters, or groups of them.
        lr: learning rate.
        betas: share of the old mean, and of the old mean square, that goes into the new.
        eps: keeps the division finite.

    Raises:
        UsageError: a rate at or below zero, or betas that are no shares.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        try:
            checks.above_zero("lr", lr)
            checks.above_zero("eps", eps)
            checks.share("beta1", betas[0])
            checks.share("beta2", betas[1])
        except ValueError as error:
            raise UsageError(f"optimizer: {error}") from error
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else closure()
        for parameter, grad, group, state in _moving(self):
            state["number"] = state.get("number", 0) + 1
            mean = state.setdefault("mean", torch.zeros_like(parameter))
            square = state.setdefault("square", torch.zeros_like(parameter))
            settings = {key: group[key] for key in ("lr", "betas", "eps")}
            adam_step(parameter, grad, mean, square, number=state["number"], **settings)
        return loss


def _moving(optimizer: Optimizer) -> Iterator[tuple[Tensor, Tensor, dict[str, Any], dict[str, Any]]]:
    """Each parameter that has a gradient, with it, the settings of its group and its own state."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                yield parameter, parameter.grad, group, optimizer.state[parameter]
