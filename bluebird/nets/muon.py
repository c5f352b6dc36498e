"""Muon for pictures: kernels and matrices move by orthogonal steps, everything else by AdamW."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

_COEFFICIENTS = 3.4445, -4.7750, 2.0315
_LARGE = 128  # rows of a matrix from which on AMX makes up for rounding and back


class Muon(Optimizer):
    """Muon, as `torch.optim.Muon`, for every matrix and kernel, `torch.optim.AdamW` for the rest, as one optimiser.

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
            if not 0 <= group["momentum"] < 1:
                raise ValueError(
                    f"Invalid momentum: {group['momentum']}; expected a share from 0 up to, not including, 1"
                )

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
        lr, momentum = group["lr"], group["momentum"]
        for parameter in parameters:
            assert parameter.grad is not None
            state = self.state[parameter]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter.grad)
            mean: Tensor = state["momentum_buffer"].lerp_(parameter.grad, 1 - momentum)
            step = orthogonal(parameter.grad.lerp(mean, momentum).flatten(1))  # Nesterov's
            parameter.mul_(1 - lr * group["weight_decay"])
            parameter.add_(step.reshape(parameter.shape), alpha=-lr * 0.2 * math.sqrt(max(step.shape)))

    def _adaptive_step(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        if parameters:
            optimizer = _adamw(parameters, group)
            optimizer.state = self.state
            optimizer.step()


def _is_matrix(parameter: Tensor) -> bool:
    return parameter.ndim > 1 and len(parameter) > 1


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix (M, N) with its singular vectors, and with singular values of about 1: most between 0.5 and 1.5.

    In bfloat16; on a CPU in float32, but for large matrices where the CPU has AMX: any other takes many times as long,
    and small ones are no quicker for it.

    Source: Jordan et al. 2024: five steps of Newton and Schulz with a polynomial of degree five, whose coefficients
    make small singular values grow the fastest. `torch.optim.Muon` does it in bfloat16 everywhere.
    """
    wide = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    wide = (wide / wide.norm().clamp(min=1e-7)).to(_dtype(wide))  # no singular value above 1
    first, third, fifth = _COEFFICIENTS
    for _ in range(5):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=third, alpha=fifth), wide, beta=first)
    return (wide if len(matrix) <= matrix.shape[1] else wide.T).to(matrix.dtype)


def _dtype(wide: Tensor) -> torch.dtype:
    if wide.device.type == "cpu" and (len(wide) < _LARGE or not _multiplies_bfloat16()):
        return torch.float32
    return torch.bfloat16


def _multiplies_bfloat16() -> bool:
    """Whether this CPU has AMX, as far as this torch can tell: older ones cannot."""
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16"))


def _adamw(parameters: list[Tensor], group: dict[str, Any]) -> Optimizer:
    return AdamW(parameters, **{key: group[key] for key in ("lr", "weight_decay", "betas")})
