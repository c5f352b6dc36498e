"""What Lightning and the logging cost: time per training step of the MLP against a bare PyTorch loop.

    python benchmarks/lightning_overhead.py

Both take the same batches of painted birds through the same transforms, network, loss, optimiser and
schedule; Lightning's side writes everything to TensorBoard that `bluebird train` writes. They take
turns; the figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import lightning as L
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from torch.nn import functional

from bluebird.callbacks import EpochSeed
from bluebird.nets.classifier import Classifier, lr_factor
from bluebird.pixels.datamodule import BirdData
from bluebird.pixels.transforms import train_transform
from bluebird.watch import GradientNorm, PictureGrid, TrainingBar, WeightHistograms


class Stopwatch(L.Callback):
    """Times the training, from its first step to its last, logging and callbacks included."""

    def on_train_start(self, *_: object) -> None:
        self.began = time.perf_counter()

    def on_train_end(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.began


def new_model(data: BirdData) -> Classifier:
    torch.manual_seed(0)
    return Classifier(data.classes, data.image_size)


def bare_seconds(data: BirdData, epochs: int) -> float:
    """The loop that one would write without Lightning."""
    model = new_model(data)
    network = model.network.train()
    optimizer = torch.optim.AdamW(network.parameters())
    loader = data.train_dataloader()
    total = epochs * len(loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(step, total, 0.1, "cosine"))
    transform = train_transform(data.mean, data.std, data.augment)
    began = time.perf_counter()
    for _ in range(epochs):
        for images, targets in loader:
            loss = functional.cross_entropy(network.logits(transform(images)), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return time.perf_counter() - began


def lightning_seconds(data: BirdData, epochs: int, folder: str) -> float:
    watch = Stopwatch()
    callbacks = [LearningRateMonitor("step"), EpochSeed(0), PictureGrid(), WeightHistograms(), GradientNorm(),
                 TrainingBar(), watch]  # fmt: skip
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=epochs, logger=TensorBoardLogger(folder), callbacks=callbacks,
        limit_val_batches=0, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        log_every_n_steps=10,
    )  # fmt: skip
    trainer.fit(new_model(data), datamodule=data)
    return watch.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each side in a round")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    data = BirdData()
    data.setup()
    steps = options.epochs * len(data.train_dataloader())
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        bare_seconds(data, 1)  # warm up
        for number in range(options.rounds):
            bare = bare_seconds(data, options.epochs)
            lightning = lightning_seconds(data, options.epochs, folder)
            ratios.append(lightning / bare)
            print(f"round {number + 1}: bare {bare / steps * 1e3:6.2f} ms a step, lightning "
                  f"{lightning / steps * 1e3:6.2f} ms, ratio {ratios[-1]:.3f}", flush=True)  # fmt: skip
    print(f"lightning / bare: median {statistics.median(ratios):.3f} of {options.rounds} rounds, "
          f"{min(ratios):.3f} to {max(ratios):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
