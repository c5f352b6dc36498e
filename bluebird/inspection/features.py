"""Numbers that tell pictures apart without any network: where which colour is, how much of it, which way edges run."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_COLOUR_GRID, _EDGE_GRID = 8, 4
_LEVELS, _DIRECTIONS = 4, 8


def plain_features(squares: Tensor) -> NDArray[np.float32]:
    """Features (N, 384) of squares uint8 (N, 3, S, S): a picture of 8 x 8 colours, and two histograms.

    192 colours; 64 shares of coarse colours; and for each of 4 x 4 fields the strength of edges in 8 directions, 128,
    as shares of all. Shares by their square roots, so that distances are those of Hellinger.

    Source: histograms of gradients after Dalal and Triggs 2005, without overlapping blocks and with unsigned
    directions; here so coarse that they know a scene rather than a bird.
    """
    small = functional.interpolate(squares.float() / 255, size=(64, 64), mode="bilinear", antialias=True)
    colours = functional.adaptive_avg_pool2d(small, _COLOUR_GRID).flatten(1)
    return torch.cat([colours, _palette(small), _edges(small)], 1).numpy()


def _palette(pictures: Tensor) -> Tensor:
    """(N, 64), the square root of the share of pixels of each of 4 x 4 x 4 colours."""
    level = (pictures * _LEVELS).long().clamp(0, _LEVELS - 1)
    red, green, blue = level.flatten(2).unbind(1)
    colour = (red * _LEVELS + green) * _LEVELS + blue  # (N, pixels)
    counts = torch.zeros(len(pictures), _LEVELS**3).scatter_add_(1, colour, torch.ones(colour.shape))
    return (counts / colour.shape[1]).sqrt()


def _edges(pictures: Tensor) -> Tensor:
    """(N, 128), the square root of the share of each direction and field in all edges."""
    grey = functional.pad(pictures.mean(1, keepdim=True), (0, 1, 0, 1), mode="replicate")
    across, down = grey[..., :-1, 1:] - grey[..., :-1, :-1], grey[..., 1:, :-1] - grey[..., :-1, :-1]
    strength, angle = torch.hypot(across, down), torch.atan2(down, across).remainder(torch.pi)
    direction = (angle / torch.pi * _DIRECTIONS).round().long() % _DIRECTIONS  # so that upright has one bin, not two
    planes = torch.zeros(len(grey), _DIRECTIONS, *strength.shape[2:]).scatter_(1, direction, strength)
    fields = functional.adaptive_avg_pool2d(planes, _EDGE_GRID).flatten(1)
    return (fields / (fields.sum(1, keepdim=True) + 1e-6)).sqrt()
