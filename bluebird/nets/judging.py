"""Judging in several processes: each judges its share of the pictures, and every picture counts once."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DistributedSampler
from torchmetrics.utilities.distributed import gather_all_tensors


def num_own(trainer: L.Trainer, batch_idx: int, size: int) -> int:
    """How many of a batch's `size` pictures count, the first ones; those behind fill shares up to the same length.

    Torch's `DistributedSampler` deals the pictures out like cards, to rank r of W those numbered r, r + W, r + 2 W ...
    and begins anew where they do not come out even.
    """
    loader: Any = trainer.test_dataloaders if trainer.testing else trainer.val_dataloaders
    if trainer.world_size == 1 or not isinstance(loader.sampler, DistributedSampler):
        return size
    first = batch_idx * loader.batch_size * trainer.world_size + trainer.global_rank
    left: int = len(loader.dataset) - first
    return max(0, min(size, -(-left // trainer.world_size)))


def mean_cost(trainer: L.Trainer, cost: Tensor, count: int) -> Tensor:
    """The cost of a picture in the mean over all processes, where this one has judged `count` for `cost` in all."""
    both: Tensor = trainer.strategy.reduce(torch.stack([cost, cost.new_tensor(count)]), reduce_op="sum")
    return both[0] / both[1]


def gathered(trainer: L.Trainer, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """What all processes have judged, on the CPU, in the order of the data; all of them have to ask.

    Args:
        logits: (M, K) of this process.
        targets: (M,) of this process.
    """
    if trainer.world_size == 1:
        return logits.cpu(), targets.cpu()
    shares = gather_all_tensors(logits), gather_all_tensors(targets)  # of unequal lengths
    place = [torch.arange(len(share)) * len(shares[1]) + rank for rank, share in enumerate(shares[1])]
    order = torch.cat(place).argsort()
    return torch.cat([share.cpu() for share in shares[0]])[order], torch.cat([share.cpu() for share in shares[1]])[
        order
    ]
