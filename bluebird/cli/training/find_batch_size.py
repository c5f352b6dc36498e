"""`bluebird train --find batch_size`: how many pictures to learn from at once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import lightning as L
import torch

from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.trial import freed_afterwards, num_training_pictures, run_trial
from bluebird.errors import TrainingError, is_out_of_memory

_SMALLEST = 8
_STEPS, _SECONDS = 1000, 1.0  # at most, for one size
_STEPS_AN_EPOCH = 16  # with fewer, no training comes to anything
_NEARLY = 1.05
"""A smaller batch that is nearly as quick makes more steps of the same pictures."""


@dataclass(frozen=True)
class Tried:
    """What a batch size came to: pictures in a second, and the most memory in bytes, 0 where it cannot be told."""

    batch_size: int
    device: str
    pictures_per_second: float
    memory: int


class Stopwatch(L.Callback):
    """Times all steps but the first, whose memory, kernels and optimiser's state are being made."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.device = pl_module.device
        self.seconds = 0.0
        self.steps = 0
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)
        now = time.perf_counter()
        self._start = getattr(self, "_start", now)
        self.seconds = now - self._start
        self.steps = trainer.global_step - 1
        if self.steps >= 3 and self.seconds > _SECONDS:
            trainer.should_stop = True

    @property
    def memory(self) -> int:
        """The most that was asked for, in bytes; 0 where it cannot be told."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else 0


def find_batch_size(cli: TrainCLI) -> tuple[list[Tried], int | None]:
    """All sizes that fit, in rising order, and the first that does not, None where all do.

    Sizes double, as long as an epoch has 16 steps. On a CPU, whose memory is not what runs out first, it
    ends where two sizes running are no quicker than the best before.

    Raises:
        TrainingError: not even the smallest fits.
    """
    tried: list[Tried] = []
    for size in _sizes(num_training_pictures(cli)):
        one = _try(cli, size)
        if one is None:
            if not tried:
                raise TrainingError(f"--find batch_size: not even {size} pictures fit; lower data.image_size")
            return tried, size
        tried.append(one)
        if one.device == "cpu" and _flat(tried):
            break
    return tried, None


def quickest(tried: list[Tried]) -> Tried:
    """The smallest size that is nearly as quick as any."""
    best = max(one.pictures_per_second for one in tried)
    return next(one for one in tried if _NEARLY * one.pictures_per_second >= best)


def _sizes(pictures: int) -> list[int]:
    doubles = (_SMALLEST << power for power in range(64))
    return list(takewhile(lambda size: size * _STEPS_AN_EPOCH <= pictures, doubles)) or [min(_SMALLEST, pictures)]


def _try(cli: TrainCLI, size: int) -> Tried | None:
    watch = Stopwatch()
    try:
        with freed_afterwards():
            run_trial(cli, _STEPS, watch, size)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    return Tried(size, watch.device.type, size * watch.steps / watch.seconds, watch.memory)


def _flat(tried: list[Tried]) -> bool:
    rates = [one.pictures_per_second for one in tried]
    return len(rates) > 2 and max(rates[-2:]) <= _NEARLY * max(rates[:-2])
