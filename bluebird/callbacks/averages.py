"""Averages of the weights, which are judged and handed over in their place."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from bluebird.errors import UsageError


class Average(WeightAveraging):
    """Validates, keeps and hands over an average of the weights over the steps; training goes on without it.

    After step t, average += w(t) (weights - average); what w is, a subclass says. The statistics of batch norm are
    averaged likewise. A checkpoint's state_dict is the average, whose loss chose it; `current_model_state` is what
    `--resume` goes on with. One that is not switched on does nothing.

    Raises:
        UsageError: two averages are switched on.
    """

    def __init__(self, on: bool) -> None:
        super().__init__(multi_avg_fn=self._mix)
        self.on = on

    def _weight(self, step: int) -> float:
        """w of the step, from 1."""
        raise NotImplementedError

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if not self.on:
            return
        if sum(isinstance(other, Average) and other.on for other in trainer.callbacks) > 1:  # type: ignore[attr-defined]
            raise UsageError("ema.decay and swa.start are both set: one average can be handed over; leave one out")
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:  # the module is not converted yet, and a checkpoint is read before it is
            trainer.precision_plugin.convert_module(self._average_model)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._average_model is not None:
            self._average_model.to(pl_module.device)  # nor was the module there at setup

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return self._average_model is not None and step_idx is not None

    @torch.no_grad()
    def _mix(self, averages: list[Tensor], current: list[Tensor], num_averaged: Tensor | int) -> None:
        """Move the averages, in place. The step is known here without asking the device for `num_averaged`."""
        if not averages[0].is_floating_point():  # batch norm counts its batches
            torch._foreach_copy_(averages, current)
            return
        torch._foreach_lerp_(averages, current, self._weight(self._latest_update_step + 1))

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._average_model is not None:
            super().on_train_end(trainer, pl_module)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._average_model = None  # or a test would load the weights beside the average, a validation swap them in

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._average_model is not None:
            super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._average_model is not None:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)


class MovingAverage(Average):
    """An average in which each step counts a little less than the one after it.

    It begins as the weights after the first step; w(t) is 1 - min(decay, t / (9 + t)), so that a short training is not
    judged by the weights of its beginning.

    Raises:
        UsageError: a decay that is not above 0 and below 1.

    Source: Polyak & Juditsky 1992; as a moving average, with the rise of d, `tf.train.ExponentialMovingAverage`
    (its num_updates is t - 1), as Szegedy et al. 2015 (arXiv 1512.00567), section 8, judged their networks.
    """

    def __init__(self, decay: float | None = None) -> None:
        if decay is not None and not 0 < decay < 1:
            raise UsageError(f"ema.decay is {decay}; expected a share above 0 and below 1")
        super().__init__(decay is not None)
        self.decay = decay

    def _weight(self, step: int) -> float:
        return 1 - min(self.decay or 0.0, step / (9 + step))


class StochasticAverage(Average):
    """The mean of the weights over the last steps, each counting the same: stochastic weight averaging.

    Up to the share `start` of all steps the average is the weights as they are.

    Raises:
        UsageError: a start that is no share from 0 up to, not including, 1.

    Source: Izmailov et al. 2018 (arXiv 1803.05407), algorithm 1. Departures: averaged after each step rather than each
    epoch; the learning rate is what `model.schedule` says (theirs is constant at the end); the statistics of batch norm
    are averaged instead of measured anew.
    """

    def __init__(self, start: float | None = None) -> None:
        if start is not None and not 0 <= start < 1:
            raise UsageError(f"swa.start is {start}; expected a share of all steps from 0 up to, not including, 1")
        super().__init__(start is not None)
        self.start = start
        self._first = 0

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_fit_start(trainer, pl_module)
        if self.on:
            self._first = int((self.start or 0.0) * trainer.estimated_stepping_batches)

    def _weight(self, step: int) -> float:
        return 1 / max(1, step - self._first)
