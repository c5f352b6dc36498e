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
    """The greatest of logits (N, K), as float32 (N,): high for what the network knows.

    Source: the maximum logit of Hendrycks et al. 2022 (arXiv 1911.11132), sec. 3. Of those that need no pictures to
    compare with it did best or nearly so for every network tried; `docs/finding.md` has the figures of six methods.
    """
    return logits.float().amax(1)


def quantiles(values: Tensor) -> list[float]:
    """`QUANTILES` evenly spaced quantiles of values (N,), from the least to the greatest."""
    shares = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)
    ordered: list[float] = torch.quantile(values.double().cpu(), shares).tolist()
    return ordered


def novelty(values: Tensor, known: Tensor) -> Tensor:
    """Of familiarity (N,), the share of known pictures that look more familiar, 0 to 1; `known` (Q,) rising."""
    return 1 - torch.searchsorted(known, values, right=True) / len(known)
