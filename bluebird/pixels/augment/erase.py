"""A rectangle of a picture hidden."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bluebird.pixels.augment.box import draw_boxes

_AREA = (0.02, 0.33)
_RATIO = (0.3, 3.3)


class RandomErasing(nn.Module):
    """Sets a random rectangle of some pictures of a normalised batch (N, C, S, S) to 0, the mean of each channel.

    It covers 2 to 33 % of the picture and is up to 3.3 times as long as it is wide.

    Args:
        probability: that a picture has one, each on its own.

    Source: Zhong et al. 2017 (arXiv 1708.04896), algorithm 1, with the mean for random values; ranges, values and
    tries are those of torchvision's `RandomErasing`, which draws once for a batch.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, images: Tensor) -> Tensor:
        n, _, side, _ = images.shape
        erased = torch.rand(n, device=images.device) < self.probability
        shares, fit = draw_boxes(n, _AREA, _RATIO, 1 - 0.5 / side, images.device)
        lengths = (shares * side).round()  # (2, N) in px, shorter than the picture's
        starts = (torch.rand(2, n, device=images.device) * (side - lengths + 1)).floor()
        offsets = torch.arange(side, device=images.device) - starts[:, :, None]
        down, right = (offsets >= 0) & (offsets < lengths[:, :, None])  # (N, S) each
        hidden = down[:, :, None] & right[:, None, :] & (erased & fit)[:, None, None]
        return images.masked_fill(hidden[:, None], 0.0).contiguous(memory_format=torch.channels_last)
