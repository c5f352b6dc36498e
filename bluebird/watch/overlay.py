"""Pictures with a map of what a network looked at laid over them."""

from __future__ import annotations

import matplotlib
import torch
from torch import Tensor

from bluebird.errors import UsageError

_SCALE = "inferno"
"""Rises evenly in lightness, so that it reads the same in grey and to colour-blind eyes."""

_COVER = 0.8
"""How much of the picture is covered where the map is 1; the rest keeps the bird to be seen beneath."""


def overlay(pictures: Tensor, maps: Tensor) -> Tensor:
    """Pictures uint8 (N, 3, S, S), greyed, under maps (N, S, S) of 0 to 1 in colour: uint8 (N, 3, S, S).

    The colour covers as the map rises: 0 is the grey picture itself, 1 nearly all colour.

    Raises:
        UsageError: shapes that do not fit one another, or pictures that are not uint8.

    Source: the inferno scale of van der Walt and Smith, matplotlib 1.5; grey after ITU-R BT.601.
    """
    if pictures.dtype != torch.uint8 or pictures.ndim != 4 or pictures.shape[1] != 3:
        raise UsageError(f"pictures is {pictures.dtype} {tuple(pictures.shape)}; expected uint8 (N, 3, S, S)")
    if maps.shape != (len(pictures), *pictures.shape[2:]):
        raise UsageError(
            f"maps is {tuple(maps.shape)}; expected {(len(pictures), *pictures.shape[2:])}, as the pictures"
        )
    weights = torch.tensor([0.299, 0.587, 0.114], device=pictures.device).view(1, 3, 1, 1)
    grey = (pictures.float() * weights).sum(1, keepdim=True)
    cover = _COVER * maps.float().clamp(0, 1)[:, None]
    mixed = (1 - cover) * grey + cover * _colours(maps)  # (N, 3, S, S)
    return mixed.round().clamp(0, 255).to(torch.uint8)


def _colours(maps: Tensor) -> Tensor:
    """The scale's colours (N, 3, S, S), 0 to 255, of maps (N, S, S)."""
    steps = torch.linspace(0, 1, 256).numpy()
    table = torch.tensor(matplotlib.colormaps[_SCALE](steps)[:, :3] * 255, dtype=torch.float32, device=maps.device)
    return table[(maps.float().clamp(0, 1) * 255).round().long()].movedim(-1, 1)
