"""Rows of decoded pictures as batches, a whole batch at a time.

Collating pictures one by one costs more than a small network's training step. A `DataLoader` that
finds `__getitems__` asks for all rows of a batch at once, which here is one gather.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

_VALUES_AT_ONCE = 2**22


class PictureDataset(Dataset[tuple[Tensor, Tensor]]):
    """Some rows of a uint8 array (N, S, S, 3) with their targets int64 (N,)."""

    def __init__(self, pixels: Tensor, rows: Tensor, targets: Tensor) -> None:
        self.pixels = pixels
        self.rows = rows
        self.targets = targets

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One picture uint8 (3, S, S) and its target."""
        images, targets = self.__getitems__([index])
        return images[0], targets[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """A batch: images uint8 (B, 3, S, S) with channels last in memory, targets int64 (B,)."""
        rows = self.rows[torch.as_tensor(indices)]
        return self.pixels.index_select(0, rows).permute(0, 3, 1, 2), self.targets[rows]


class EpochShuffle(Sampler[int]):
    """Every index once, in an order that depends on the seed and the epoch alone.

    A run that goes on after an interruption therefore sees the pictures in the order in which the
    unbroken run would have seen them. Lightning calls `set_epoch`.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        yield from self._order(torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)).tolist()

    def _order(self, generator: torch.Generator) -> Tensor:
        return torch.randperm(self.size, generator=generator)


class BalancedShuffle(EpochShuffle):
    """As many indices as there are, each class as often as any other, in an order of the seed's and the epoch's.

    Where classes do not divide the epoch evenly, some, by lot, come once more than others. Of a class that comes n
    times and has m pictures each comes n // m times or once more: a rare class repeats its own, a frequent one shows
    some of them, others in another epoch.

    Args:
        targets: class numbers int64 (N,).
        seed: draws the order.

    Source: class-balanced sampling as in Kang et al. 2019 (arXiv 1910.09217), equation 1 with q = 0; there drawn with
    replacement.
    """

    def __init__(self, targets: Tensor, seed: int) -> None:
        super().__init__(len(targets), seed)
        self.members = [(targets == target).nonzero().flatten() for target in torch.unique(targets)]

    def _order(self, generator: torch.Generator) -> Tensor:
        share, rest = divmod(self.size, len(self.members))
        once_more = set(torch.randperm(len(self.members), generator=generator)[:rest].tolist())
        parts: list[Tensor] = []
        for number, members in enumerate(self.members):
            rounds, some = divmod(share + (number in once_more), len(members))
            chosen = torch.randperm(len(members), generator=generator)[:some]
            parts += [members.repeat(rounds), members[chosen]]
        indices = torch.cat(parts)
        return indices[torch.randperm(self.size, generator=generator)]


def channel_stats(pixels: Tensor, rows: Tensor, chunk: int | None = None) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each colour channel over some rows, on the scale 0 to 1.

    Exact integer sums, `chunk` pictures in memory at a time (default: some million values). A channel that never varies
    gets the deviation 1, so that normalising it gives zeros.
    """
    chunk = chunk or max(1, _VALUES_AT_ONCE // pixels[0].numel())
    total = torch.zeros(3, dtype=torch.int64)
    squares = torch.zeros(3, dtype=torch.int64)
    for part in torch.split(rows, chunk):
        values = pixels.index_select(0, part).view(-1, 3)
        total += values.sum(0, dtype=torch.int64)
        squares += values.int().square_().sum(0, dtype=torch.int64)
    count = len(rows) * pixels.shape[1] * pixels.shape[2]
    mean = total.double() / count
    std = (squares.double() / count - mean.square()).clamp(min=0).sqrt()
    std[std == 0] = 255
    return (mean / 255).tolist(), (std / 255).tolist()
