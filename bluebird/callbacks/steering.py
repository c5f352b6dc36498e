"""Random state, the stop when nothing moves any more, Ctrl-C, the card in a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

from bluebird.errors import UsageError


class EpochSeed(L.Callback):
    """Sets the random state at the start of each epoch from the seed and the epoch's number.

    Dropout and augmentation then draw in epoch 7 what they draw there in any run with that seed, also
    in one that was killed and goes on from the checkpoint of epoch 6. Of several processes each draws its own, while
    they share the order of the pictures that one process would have: batch by batch they learn from the same.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        sampler = getattr(trainer.train_dataloader, "sampler", None)
        if isinstance(sampler, DistributedSampler):
            sampler.shuffle = False  # Lightning would shuffle anew what the data's own sampler has
        epochs_of_rank = trainer.global_rank * 1_000_000_000_039  # further apart than any two seeds of one rank meet
        torch.manual_seed((self.seed * 1_000_003 + trainer.current_epoch + 1 + epochs_of_rank) % 2**63)


class Converged(L.Callback):
    """Stops when no parameter has moved by `threshold` or more over a whole epoch.

    The greatest movement is logged as `params/movement`. Without a threshold the callback does nothing.

    Raises:
        UsageError: a threshold that is not a finite number above zero.

    Source: the last step of the loop in which a network learns: |theta_new - theta_old| < threshold.
    """

    def __init__(self, threshold: float | None = None) -> None:
        if threshold is not None and not (threshold > 0 and math.isfinite(threshold)):
            raise UsageError(f"converged.threshold is {threshold}; expected a finite number above 0")
        self.threshold = threshold
        self._before: list[Tensor] = []

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.threshold is not None:
            self._before = [p.detach().clone() for p in pl_module.parameters()]

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.threshold is None:
            return
        pairs = zip(pl_module.parameters(), self._before, strict=True)
        movement = max(float((after.detach() - before).abs().max()) for after, before in pairs)
        pl_module.log("params/movement", movement)
        if movement < self.threshold:
            trainer.should_stop = True


class Interrupt(L.Callback):
    """Ctrl-C takes effect between two batches.

    Anywhere else it could strike while TensorBoard's queue is being written to, whose thread would then wait for ever,
    and the training for the thread.
    """

    def __init__(self) -> None:
        self._asked = False

    def ask(self, *_: object) -> None:
        """The signal's handler; who asks again is obeyed at once."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def obey(self) -> None:
        """Raises `KeyboardInterrupt` where somebody has asked."""
        if self._asked:
            raise KeyboardInterrupt

    def on_train_batch_start(self, *_: Any) -> None:
        self.obey()

    def on_validation_batch_start(self, *_: Any) -> None:
        self.obey()

    def on_test_batch_start(self, *_: Any) -> None:
        self.obey()


class ModelCard(L.Callback):
    """Puts the readable half of a bundle into every checkpoint, so that a checkpoint can be asked too."""

    def __init__(self, describe: Callable[[], dict[str, Any]]) -> None:
        self.describe = describe

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["bluebird"] = self.describe()
