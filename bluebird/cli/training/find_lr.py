"""`bluebird train --find lr`: a learning rate to begin with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from matplotlib.figure import Figure

from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.trial import run_trial
from bluebird.errors import TrainingError, UsageError
from bluebird.files import whole
from bluebird.watch.lr_plot import draw_range_test

LR = "model.optimizer.init_args.lr"
_LOWEST, _HIGHEST, _STEPS = 1e-7, 10.0, 160  # 20 steps for each power of ten
_WIDTH = 4  # standard deviation, in steps, of the bell that smooths
_LOST = 4.0  # times the first loss; the best may be so small that noise alone is many times it
_LEAST_FALL = 0.01  # nats
_LEFT = 0.1  # share of the fall


class RangeTest(L.Callback):
    """Raises the learning rate from step to step until the loss is lost; `lrs` and `losses` are there afterwards.

    Groups whose learning rates differ keep their ratios; `lrs` are those of the fastest. Warm-up and schedule have no
    say, since the rate is set after theirs.

    Source: Smith 2015, "Cyclical learning rates for training neural networks" (arXiv 1506.01186), section 3.3.
    Departure: the rate rises by a factor, not by a term, for it is looked for over eight powers of ten.
    """

    def __init__(self, lowest: float = _LOWEST, highest: float = _HIGHEST, num_steps: int = _STEPS) -> None:
        self.rates = np.geomspace(lowest, highest, num_steps).tolist()
        self.lrs: list[float] = []
        self.losses: list[float] = []

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        groups = trainer.optimizers[0].param_groups
        peak = max(group["initial_lr"] for group in groups)
        for group in groups:
            group["lr"] = self.rates[trainer.global_step] * group["initial_lr"] / peak

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any) -> None:
        if trainer.global_step == len(self.lrs):  # gradients are still being gathered
            return
        self.lrs.append(self.rates[trainer.global_step - 1])
        self.losses.append(float(outputs["loss"]) * trainer.accumulate_grad_batches)
        if not self.losses[-1] <= _LOST * self.losses[0]:  # true of NaN, too
            trainer.should_stop = True


def find_lr(cli: TrainCLI) -> tuple[float, Figure]:
    """The learning rate that a range test suggests, to two digits, and the test's curve.

    Raises:
        UsageError: the optimiser has no learning rate, or 0.
        TrainingError: the loss falls at no learning rate.
    """
    if not cli.config.get(LR):
        raise UsageError(f"--find lr: {LR} is {cli.config.get(LR)}; expected a number above 0, from which to look")
    test = RangeTest()
    run_trial(cli, _STEPS, test)
    lrs, losses = zip(*((a, b) for a, b in zip(test.lrs, test.losses, strict=True) if math.isfinite(b)), strict=True)
    smoothed = smooth(losses)
    chosen = suggest(lrs, smoothed)
    return float(f"{chosen:.1e}"), draw_range_test(lrs, losses, smoothed, chosen)


def smooth(losses: Sequence[float]) -> list[float]:
    """Each loss as the mean of itself and its neighbours, weighed by a bell: a running mean would lag behind."""
    steps = np.arange(len(losses))
    bell = np.exp(-0.5 * ((steps[:, None] - steps) / _WIDTH) ** 2)
    mean: list[float] = (bell @ np.asarray(losses) / bell.sum(1)).tolist()
    return mean


def suggest(lrs: Sequence[float], smoothed: Sequence[float]) -> float:
    """The least learning rate at which the loss has fallen nine tenths of the way to its least.

    Beyond, little is gained and the edge comes near. Where the loss falls fastest, as other finders have it, is where
    a network outgrows the weights it was drawn with: too low a rate by a factor of ten and more.

    Raises:
        TrainingError: it falls nowhere.
    """
    least = int(np.argmin(smoothed))
    fall = max(smoothed[: least + 1]) - smoothed[least]
    if fall < _LEAST_FALL:
        raise TrainingError(
            f"--find lr: the loss falls at no learning rate from {lrs[0]:.0e} to {lrs[-1]:.2g}; are labels and "
            "pictures right (bluebird inspect_data)?"
        )
    last_above = max(step for step in range(least) if smoothed[step] > smoothed[least] + _LEFT * fall)
    return lrs[last_above + 1]


def save_curve(figure: Figure, path: Path) -> None:
    """Write the curve as PNG, whole or not at all; `OutputError` where it cannot be."""
    with whole(path) as part:
        figure.savefig(part, format="png", dpi=120)
