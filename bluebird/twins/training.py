"""A training without autograd: the twin learns, and the network, which shares its weights, has learnt."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor

from bluebird.errors import TrainingError, UsageError
from bluebird.nets.classifier import Batch, Classifier
from bluebird.scratch import chain
from bluebird.scratch.layers import spread
from bluebird.twins.twin import twin


class ByHandClassifier(Classifier):
    """A `Classifier` whose training step is written out by hand, from the forward pass to every gradient.

    Its network's parameters do not require gradients, so autograd has nothing to record. Validation, test
    and prediction ask the network itself. Arguments and errors are those of `Classifier`.

    Raises:
        UsageError: a network that has no twin by hand; a trainer that mixes precisions.
    """

    automatic_optimization = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.network.requires_grad_(False)
        twin(self.network)  # refuses here and now a network that has none

    def on_fit_start(self) -> None:
        _refuse_mixed_precision(self.trainer)

    def on_train_start(self) -> None:
        self._twin = twin(self.network)  # only here do the weights lie where they will stay

    @torch.no_grad()
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Forward, backward and update of one batch; returns its loss."""
        images, targets = batch
        wanted = spread(targets, len(self.classes), self.label_smoothing, self.class_weights, images.dtype)
        try:
            logits, loss, grads = chain.learn(self._twin, images, wanted)
        except ValueError as error:
            raise TrainingError(f"step {self.global_step + 1}: {error}; lower the learning rate") from error
        for name, parameter in self.network.named_parameters():
            parameter.grad = grads[name]
        self._move()
        self._note_step(loss, logits, targets)
        return loss

    def _move(self) -> None:
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        optimizer.step()  # type: ignore[union-attr]
        schedule.step()  # type: ignore[union-attr]


def _refuse_mixed_precision(trainer: L.Trainer) -> None:
    if trainer.precision not in ("32-true", "64-true"):
        raise UsageError(f"trainer.precision is {trainer.precision}; by hand it is 32-true or 64-true")
