"""Muon for pictures: kernels and matrices move by orthogonal steps, everything else by AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer


class Muon(Optimizer):
    """`torch.optim.Muon` for every matrix and kernel, `torch.optim.AdamW` for the rest, as one optimiser.

    A kernel (out, in, h, w) is a matrix of `out` rows. The step of a matrix is its momentum with all singular values
    made about one, scaled so that its root mean square is that of an AdamW step: a learning rate and a weight decay
    that suit AdamW suit Muon, and one of each is enough for both.

    Args:
        params: the parameters, or groups of them.
        lr: learning rate.
        weight_decay: of both, decoupled.
        momentum: of matrices: share of the old mean of gradients that goes into the new; Nesterov's.
        betas: of the rest: share of the old mean, and of the old mean square, that goes into the new.

    Raises:
        ValueError: an argument out of range, as torch's own optimisers say it.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks", kernels as matrices from
    there too; the scale 0.2 sqrt(max(out, in h w)) from Liu et al. 2025 (arXiv 2502.16982), section 2.2. Departure:
    they leave the last layer to AdamW; here it is a matrix as the others are, since an optimiser is not told which
    is the last. Tokens and positions of a transformer, whose first axis is 1, are left to AdamW.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        settings = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": betas}
        super().__init__(params, settings)
        for group in self.param_groups:  # refused now rather than in the first step
            _adamw([torch.zeros(1)], group)
            _muon([torch.zeros(1, 1)], group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moving = [parameter for parameter in group["params"] if parameter.grad is not None]
            self._orthogonal_step([parameter for parameter in moving if _is_matrix(parameter)], group)
            self._adaptive_step([parameter for parameter in moving if not _is_matrix(parameter)], group)
        return loss

    def _orthogonal_step(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """torch's step on views of the parameters; what it keeps for a view is kept for the parameter."""
        if not parameters:
            return
        views = [_matrix(parameter, parameter) for parameter in parameters]
        optimizer = _muon(views, group)
        for parameter, view in zip(parameters, views, strict=True):
            assert parameter.grad is not None
            view.grad = _matrix(parameter.grad, parameter)
            optimizer.state[view] = self.state[parameter]
        optimizer.step()

    def _adaptive_step(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        if parameters:
            optimizer = _adamw(parameters, group)
            optimizer.state = self.state
            optimizer.step()


def _is_matrix(parameter: Tensor) -> bool:
    return parameter.ndim > 1 and len(parameter) > 1


def _matrix(values: Tensor, parameter: Tensor) -> Tensor:
    """`values`, of the shape of `parameter`, as (rows, columns); of the parameter itself a view that writes through.

    The columns stand in the order in which the parameter lies in memory: channels may come last there. Which order
    it is makes no difference to a step, as orthogonality does not depend on it.
    """
    strides = parameter.stride()
    axes = sorted(range(1, parameter.ndim), key=strides.__getitem__, reverse=True)
    columns = values.detach().permute(0, *axes)
    if values is parameter:
        return columns.view(len(parameter), -1)  # raises where it would have to copy
    return columns.reshape(len(parameter), -1)


def _muon(views: list[Tensor], group: dict[str, Any]) -> Optimizer:
    settings = {key: group[key] for key in ("lr", "weight_decay", "momentum")}
    return torch.optim.Muon(views, adjust_lr_fn="match_rms_adamw", **settings)


def _adamw(parameters: list[Tensor], group: dict[str, Any]) -> Optimizer:
    return AdamW(parameters, **{key: group[key] for key in ("lr", "weight_decay", "betas")})
