"""What Lightning does between two steps: adding up several batches, clipping their gradient."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch.optim import Optimizer

from bluebird.nets import MLP
from bluebird.nets.classifier import Classifier
from bluebird.watch.tensorboard import GradientNorm
from tests.nets.parted import classifier, loader, trainer


class _Steps(L.Callback):
    """Of each step the rate and the length of the gradient: before clipping, as logged, and after."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.lengths: list[float] = []
        self.logged: list[float] = []
        self.clipped: list[float] = []

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        self.rates.append(optimizer.param_groups[0]["lr"])
        self.lengths.append(_length(pl_module))

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if trainer.global_step > len(self.logged):
            self.logged.append(float(trainer.callback_metrics["train/gradient_norm"]))
            self.clipped.append(_length(pl_module))


def _length(module: L.LightningModule) -> float:
    return math.sqrt(sum(float(p.grad.double().square().sum()) for p in module.parameters() if p.grad is not None))


def _plain() -> Classifier:
    return classifier(
        network=lambda k, side: MLP(k, side, widths=[6], dropout=0.0),
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
        schedule="linear",
        warmup=0.25,
    )


def _fit(folder: Path, batch_size: int, **settings: Any) -> tuple[Classifier, _Steps]:
    model, steps = _plain(), _Steps()
    run = trainer(folder, GradientNorm(), steps, precision="64-true", **settings)
    run.fit(model, loader(64, batch_size, torch.float64), loader(32, dtype=torch.float64))
    return model, steps


def test_two_batches_added_up_are_one_of_twice_the_size(tmp_path: Path) -> None:
    added, halves = _fit(tmp_path, 16, max_epochs=4, accumulate_grad_batches=2)
    whole, wholes = _fit(tmp_path, 32, max_epochs=4)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(added.state_dict()[name], value, rtol=1e-9, atol=1e-12)
    assert halves.logged == pytest.approx(wholes.logged, rel=1e-9)


def test_the_schedule_counts_steps_not_batches(tmp_path: Path) -> None:
    _, steps = _fit(tmp_path, 16, max_epochs=4, accumulate_grad_batches=2)
    rise = [0.1 * (step + 1) / 3 for step in range(2)]  # a quarter of 8 steps
    fall = [0.1 * (1 - step / 6) for step in range(6)]
    assert steps.rates == pytest.approx(rise + fall)


def test_an_epoch_that_is_no_multiple_ends_with_a_step(tmp_path: Path) -> None:
    _, steps = _fit(tmp_path, 16, max_epochs=2, accumulate_grad_batches=3)  # 4 batches: 3 and 1
    assert len(steps.rates) == 4
    assert steps.rates[-1] == pytest.approx(0.1 * (1 - 2 / 3))


def test_the_length_of_the_gradient_is_logged_as_it_was_before_clipping(tmp_path: Path) -> None:
    _, steps = _fit(tmp_path, 16, max_epochs=2, accumulate_grad_batches=2, gradient_clip_val=0.01)
    assert steps.logged == pytest.approx(steps.lengths, rel=1e-12)
    assert min(steps.logged) > 0.1
    assert steps.clipped == pytest.approx([0.01] * 4, rel=1e-3)
