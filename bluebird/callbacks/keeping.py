"""Which weights of a training are kept."""

from __future__ import annotations

import math
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

_LOSS, _START = "val/loss", "best-start.ckpt"


class BestCheckpoint(ModelCheckpoint):
    """Keeps the weights whose val/loss was the least, as `best-epoch=NNN.ckpt`.

    Where the trainer validates before the first step (`num_sanity_val_steps: -1`), the weights that it begins with
    compete with those of every epoch and are kept as `best-start.ckpt`: a network that was given a good last layer
    and then only unlearns is handed over as it began.

    Args:
        folder: of the checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "best-{epoch:03d}", monitor=_LOSS, enable_version_counter=False)
        self._start = str(folder / _START)

    @property
    def is_start(self) -> bool:
        """Whether no epoch was better than what the training began with."""
        return Path(self.best_model_path).name == _START  # a run may have moved since

    def on_sanity_check_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.num_sanity_val_steps != math.inf:  # of a few batches, no loss to compare with
            return
        loss = trainer.callback_metrics[_LOSS].clone()
        if loss.isfinite():
            self.best_k_models = {self._start: loss}
            self.best_model_path = self.kth_best_model_path = self._start
            self.best_model_score = self.kth_value = self.current_score = loss
            trainer.save_checkpoint(self._start)
