"""How much a picture looks like those that a network was trained on, beside what it takes it for.

Softmax shares out a whole whatever it is shown: an unknown bird may be the bluebird with 0.99. The logits
know more, for a picture of the training's kind drives some of them far up.
"""

from __future__ import annotations

import torch
from torch import Tensor

QUANTILES = 101
"""How many quantiles of the familiarity of held-out pictures a bundle keeps."""


def familiarity(logits: Tensor) -> Tensor:
    """log sum_k exp(z_k) of logits (N, K), as (N,): high for what the network knows.

    Source: the negative energy, at temperature 1, of Liu et al. 2020 (arXiv 2010.03759), eq. 4.
    """
    return logits.float().logsumexp(1)


def quantiles(values: Tensor) -> list[float]:
    """`QUANTILES` evenly spaced quantiles of values (N,), from the least to the greatest."""
    shares = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)
    ordered: list[float] = torch.quantile(values.double().cpu(), shares).tolist()
    return ordered


def novelty(values: Tensor, known: Tensor) -> Tensor:
    """Of familiarity (N,), the share of known pictures that look more familiar, 0 to 1; `known` (Q,) rising."""
    return 1 - torch.searchsorted(known, values, right=True) / len(known)
