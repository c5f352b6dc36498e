"""The whole training as one bar with one ETA, and a line of figures for every epoch that ended."""

from __future__ import annotations

import sys
from typing import Any

import lightning as L
from tqdm import tqdm

_SHOWN = ("train/loss_epoch", "train/accuracy", "val/loss", "val/accuracy", "val/f1")


class TrainingBar(L.Callback):
    """Writes to stderr: a bar where that is a terminal, and one line for each epoch in any case.

    An epoch's line appears when the next begins, since Lightning averages the training figures last.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._bar = tqdm(
            total=int(trainer.estimated_stepping_batches),
            initial=trainer.global_step,
            unit=" steps",
            disable=None,  # off where stderr is no terminal
            dynamic_ncols=True,
            mininterval=0.5,
            leave=False,
        )
        self._ended = 0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._write_epoch(trainer)
        self._bar.set_description(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}", refresh=False)

    def on_train_batch_end(self, *_: Any) -> None:
        self._bar.update()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._ended = trainer.current_epoch + 1

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._write_epoch(trainer)
        self._bar.close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if hasattr(self, "_bar"):
            self._bar.close()

    def on_sanity_check_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._write("beginning", trainer)

    def _write_epoch(self, trainer: L.Trainer) -> None:
        if self._ended:
            self._write(f"epoch {self._ended:>3}/{trainer.max_epochs}", trainer)

    def _write(self, what: str, trainer: L.Trainer) -> None:
        figures = trainer.callback_metrics
        text = "  ".join(
            f"{name.removesuffix('_epoch')} {float(figures[name]):.4f}" for name in _SHOWN if name in figures
        )
        tqdm.write(f"{what:<11}  {text}", file=sys.stderr)
