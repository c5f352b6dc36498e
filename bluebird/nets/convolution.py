"""A 3x3 convolution whose kernels learn quickly where the maps are small, too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_input

# places to a row, up to which one product of matrices takes less time; with 64 channels it takes as long
_SMALL = 8


class Convolution3x3(nn.Conv2d):
    """A convolution by kernels of 3x3 without a bias that keeps the sides; (N, C, H, W) to (N, width, H, W).

    In bfloat16 on a CPU with AMX oneDNN goes through a map row by row when it computes what the kernels get, with room
    for 32 places of a row: of a row of 7 most of the room stays empty. In a training step in bfloat16 on any CPU the
    same sum is taken as one product of matrices, which without AMX takes as long.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, kernel_size=3, padding=1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        if maps.shape[-1] > _SMALL or not (self.weight.requires_grad and _in_bfloat16_on_a_cpu(maps)):
            return super().forward(maps)
        convolved: Tensor = _SmallMaps.apply(maps.bfloat16(), self.weight.bfloat16())
        return convolved


def _in_bfloat16_on_a_cpu(maps: Tensor) -> bool:
    if maps.device.type != "cpu" or not torch.is_grad_enabled():
        return False
    return torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16


class _SmallMaps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, kernels: Tensor) -> Tensor:
        ctx.save_for_backward(maps, kernels)
        return functional.conv2d(maps, kernels, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, Tensor]:
        maps, kernels = ctx.saved_tensors
        of_maps: Tensor | None = None
        if ctx.needs_input_grad[0]:
            of_maps = conv2d_input(maps.shape, kernels, slopes, padding=1)  # type: ignore[no-untyped-call]
        return of_maps, kernel_gradient(maps, slopes)


def kernel_gradient(maps: Tensor, slopes: Tensor) -> Tensor:
    """What the kernels (width, C, 3, 3) of a convolution that keeps the sides get, as one product of matrices.

    Args:
        maps: what was convolved (N, C, H, W), with zeros around it.
        slopes: the gradient of what came out (N, width, H, W).
    """
    # dL/dk[v, c, i, j] = sum over n, y, x of slope[n, v, y, x] * map[n, c, y + i - 1, x + j - 1]
    channels, width = maps.shape[1], slopes.shape[1]
    framed = functional.pad(maps.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))  # (N, H + 2, W + 2, C)
    patches = framed.unfold(1, 3, 1).unfold(2, 3, 1).permute(0, 1, 2, 4, 5, 3)  # (N, H, W, 3, 3, C)
    rows = slopes.permute(0, 2, 3, 1).reshape(-1, width)  # (N * H * W, width)
    return (rows.T @ patches.reshape(-1, 9 * channels)).reshape(width, 3, 3, channels).permute(0, 3, 1, 2)
