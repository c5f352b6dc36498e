"""Second-order pooling: which channels of a map light up together, beside how much each does."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_RANK = 128
_EPSILON = 1e-6


class SecondOrder(nn.Module):
    """Features (N, C + R (R + 1) / 2) of maps (N, C, H, W): their mean, and the products of every two of R directions.

    Both halves have length 1. The C channels are brought to R = 128 directions first: by chance, or by `fit` to those
    in which they vary most. Species that differ in a detail differ in which parts occur together, which the mean over
    all places does not tell.

    Source: Lin et al. 2015, "Bilinear CNN models for fine-grained visual recognition", section 3 (signed square root,
    length 1); the reduction by principal components after Lin and Maji 2017; the mean kept beside is a departure.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, channels: int, rank: int = _RANK) -> None:
        super().__init__()
        rank = min(rank, channels)
        self.reduce = nn.Conv2d(channels, rank, kernel_size=1)
        rows, columns = torch.triu_indices(rank, rank)  # each pair once
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)
        self.num_features = channels + len(rows)

    def forward(self, maps: Tensor) -> Tensor:
        seen = self.reduce(maps).flatten(2)  # (N, R, H W)
        products = seen @ seen.transpose(1, 2) / seen.shape[2]  # (N, R, R)
        pairs = products[:, self.rows, self.columns]
        rooted = pairs / (pairs.abs() + _EPSILON).sqrt()  # the signed root, with a slope at 0
        return torch.cat([functional.normalize(maps.mean((2, 3))), functional.normalize(rooted)], dim=1)

    @torch.no_grad()
    def fit(self, maps: Tensor) -> None:
        """Let the directions be the principal components of what maps (N, C, H, W) show at each of their places."""
        places = maps.detach().double().cpu().movedim(1, 3).flatten(0, 2)  # (N H W, C)
        middle = places.mean(0)
        _, directions = torch.linalg.eigh(torch.cov((places - middle).T))  # in rising order
        chosen = directions.flip(1)[:, : self.reduce.out_channels].T  # (R, C)
        assert self.reduce.bias is not None
        self.reduce.weight.copy_(chosen[:, :, None, None])
        self.reduce.bias.copy_(-chosen @ middle)
