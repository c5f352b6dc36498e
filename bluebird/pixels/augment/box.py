"""Random rectangles of a drawn area and aspect ratio, one for each picture of a batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TRIES = 10
"""As torchvision has it; a rectangle that does not fit is drawn anew."""


def draw_boxes(
    n: int, area: tuple[float, float], ratio: tuple[float, float], longest: float, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Heights and widths (2, N) of N rectangles, as shares of a picture's side, and which of them fit, bool (N,).

    Args:
        n: number of rectangles N.
        area: between which shares of the picture the area is drawn, evenly.
        ratio: between which ratios, height to width, it is drawn, evenly in the logarithm.
        longest: a rectangle fits if neither side is longer.
        device: where they are drawn.

    Source: torchvision's `RandomResizedCrop` and `RandomErasing`, after Szegedy et al. 2014 (arXiv 1409.4842).
    """
    low, high = map(math.log, ratio)
    areas = area[0] + (area[1] - area[0]) * torch.rand(n, _TRIES, device=device)
    ratios = torch.exp(low + (high - low) * torch.rand(n, _TRIES, device=device))
    sides = torch.stack([areas * ratios, areas / ratios]).sqrt()  # (2, N, tries)
    fits = (sides <= longest).all(0)
    first = fits.int().argmax(1)
    rows = torch.arange(n, device=device)
    return sides[:, rows, first], fits[rows, first]
