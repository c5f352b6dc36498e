"""A training whose loss is no number any more ends there, and says which pictures it was at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional

from bluebird.cli.training.parser import TrainCLI
from bluebird.errors import TrainingError
from bluebird.nets.sharded import is_sharded, own_share

_NAMED = 3  # pictures of a batch


class FiniteLoss(L.Callback):
    """Stops a training at the batch whose loss is no number, before weights that are none either are kept.

    On a CPU every loss is looked at before it moves a weight, and the picture with whose loss it began is named.
    Elsewhere to look means to wait for the device: there losses are noted where they are, and looked at every
    `log_every_n_steps` steps and before each validation, which is before any checkpoint. By then the weights are
    spoilt, so that the pictures of the batch are named. The weights are looked at before each checkpoint, too, since
    the gradients of a finite loss may not be finite.

    Args:
        paths: of the training pictures, by their numbers in the training set.

    Raises:
        TrainingError: the loss or the weights are no longer finite.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self._noted: list[Tensor] = []  # of the batches from `_since` on
        self._since = 0

    def looks_at_once(self, loss: Tensor) -> bool:
        """Whether to look costs nothing."""
        return loss.device.type == "cpu"

    def on_train_epoch_start(self, *_: Any) -> None:
        self._noted, self._since = [], 0

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, number: int) -> None:
        self._batch, self._number = batch, number

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        if not self.looks_at_once(loss):
            self._noted.append(loss.detach())
        elif not loss.isfinite():
            self._stop(trainer, float(loss), self._number, self._first_spoilt(trainer, pl_module))

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if len(self._noted) >= trainer.log_every_n_steps:
            self._look(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._before_a_checkpoint(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._before_a_checkpoint(trainer, pl_module)

    def _before_a_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._look(trainer)
        if not torch.stack([own_share(weights).isfinite().all() for weights in pl_module.parameters()]).all():
            raise TrainingError(
                f"epoch {trainer.current_epoch + 1}: the weights are no longer finite; {_mend(trainer)}"
            )

    def _look(self, trainer: L.Trainer) -> None:
        losses = torch.stack(self._noted).cpu() if self._noted else torch.zeros(0)
        for place in torch.nonzero(~losses.isfinite()).flatten().tolist()[:1]:
            self._stop(trainer, float(losses[place]), self._since + place, None)
        self._since += len(losses)
        self._noted = []

    def _first_spoilt(self, trainer: L.Trainer, pl_module: L.LightningModule) -> int | None:
        """The place in the batch of the first picture whose own loss is not finite; None where all are like that.

        Each is asked about twice over, as a batch of its own: batch norm has spread one picture's fault over the batch
        and into its statistics, and takes no batch of one.
        """
        images, targets = self._batch
        module: Any = pl_module
        if is_sharded(module.network):  # the other processes have no reason to take part
            return None
        spoilt = []
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            for place in range(len(images)):
                logits = module.network.logits(images[[place, place]])
                loss = functional.cross_entropy(logits.double(), targets[[place, place]])
                spoilt.append(not loss.isfinite())
        return None if all(spoilt) or not any(spoilt) else spoilt.index(True)

    def _stop(self, trainer: L.Trainer, loss: float, number: int, place: int | None) -> None:
        loader: Any = trainer.train_dataloader
        rows = next(islice(loader.batch_sampler, number, None))  # the same again: seed and epoch draw it, nothing else
        if place is not None:
            at = repr(str(self.paths[rows[place]]))
        else:
            names = ", ".join(repr(str(self.paths[row])) for row in rows[:_NAMED])
            at = f"{names} and {len(rows) - _NAMED} more" if len(rows) > _NAMED else names
        raise TrainingError(
            f"epoch {trainer.current_epoch + 1}, batch {number + 1}: the training loss became {loss} at {at}; "
            f"{_mend(trainer)}"
        )


def _mend(trainer: Any) -> str:
    advice = "lower the learning rate (--model.optimizer.init_args.lr; --find lr looks for one) and train anew"
    if "16" in trainer.precision:
        advice += ", or with --trainer.precision 32-true"
    if trainer.current_epoch:
        advice += f"; the epochs before are kept in {Path(trainer.log_dir or '') / 'checkpoints'}"
    return advice


def finite_loss(cli: TrainCLI) -> FiniteLoss:
    """The callback for a training of `cli`."""
    samples = cli.datamodule.listing.samples
    return FiniteLoss([samples[row].path for row in cli.datamodule.datasets["train"].rows.tolist()])
