"""Covariance pooling: which channels of a map rise and fall together over its places."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_RANK = 128
_EPSILON = 1e-6
_ITERATIONS = 5


class CovariancePooling(nn.Module):
    """Features (N, R (R + 1) / 2), of length 1, of maps (N, R, H, W): the square root of their covariance matrix.

    Several looks at the same pictures have a map each, of whatever height and width; all their places count alike.

    `reduce` has brought the C channels of a network's map to R = 128 directions before: drawn by lot, or by `fit` those
    in which they vary most. Species that differ in a detail differ in which parts occur together, which the mean over
    all places does not tell. The root keeps the few directions in which a picture varies most from drowning all others.
    Of the symmetric matrix each pair stands once, those off the diagonal times the square root of 2, so that products
    of features are those of the matrices.

    Source: Li et al. 2018, "Towards Faster Training of Global Covariance Pooling Networks by Iterative Matrix Square
    Root Normalization", sections 3.1 and 3.2; the length of 1, in the place of their compensation by the trace, and
    the reduction by principal components are departures.
    """

    rows: Tensor
    columns: Tensor
    shares: Tensor

    def __init__(self, channels: int, rank: int = _RANK) -> None:
        super().__init__()
        rank = min(rank, channels)
        self.reduce = nn.Conv2d(channels, rank, kernel_size=1, bias=False)
        rows, columns = torch.triu_indices(rank, rank)  # each pair once
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)
        self.register_buffer("shares", torch.where(rows == columns, 1.0, 2**0.5), persistent=False)
        self.num_features = len(rows)

    def forward(self, *looks: Tensor) -> Tensor:
        seen = torch.cat([maps.flatten(2) for maps in looks], 2)  # (N, R, places)
        apart = seen - seen.mean(2, keepdim=True)
        root = _root(apart @ apart.transpose(1, 2))  # (N, R, R)
        return functional.normalize(root[:, self.rows, self.columns] * self.shares)

    @torch.no_grad()
    def fit(self, maps: Tensor) -> None:
        """Let the directions be the principal components of what maps (N, C, H, W) show at each of their places."""
        places = maps.detach().cpu().double().movedim(1, 3).flatten(0, 2)  # (N H W, C); MPS knows no float64
        _, directions = torch.linalg.eigh(torch.cov(places.T))  # in rising order
        self.reduce.weight.copy_(directions.flip(1)[:, : len(self.reduce.weight)].T[:, :, None, None])


def _root(matrices: Tensor) -> Tensor:
    """Square roots of positive semi-definite matrices (N, R, R), each up to a factor of its own; nearly, for small
    eigenvalues come out smaller still, which does no harm.

    Source: the coupled iteration of Newton and Schulz (Higham 2008, "Functions of Matrices", equation 6.35), after
    division by the trace, which lets it converge: products of matrices alone, which any engine knows.
    """
    unit = torch.eye(matrices.shape[1], dtype=matrices.dtype, device=matrices.device)
    trace = (matrices * unit).sum((1, 2), keepdim=True)
    root = matrices / (trace + _EPSILON)
    step = (3 * unit - root) / 2
    root, inverse = root @ step, step
    for _ in range(_ITERATIONS - 2):
        step = (3 * unit - inverse @ root) / 2
        root, inverse = root @ step, step @ inverse
    return root @ (3 * unit - inverse @ root) / 2
