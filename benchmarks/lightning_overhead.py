"""What Lightning and the logging cost: time per training step of the MLP against a bare PyTorch loop.

    python benchmarks/lightning_overhead.py

Both take the same batches of painted birds through the same transforms, network, loss, optimiser and
schedule; Lightning's side writes everything to TensorBoard that `bluebird train` writes. They take
turns. On a machine with neighbours the lower quartile tells more than the median: noise only adds.
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
from bluebird.cli.memory import keep_freed_memory
from bluebird.nets.classifier import Classifier, lr_factor
from bluebird.pixels.datamodule import BirdData
from bluebird.pixels.transforms import train_transform
from bluebird.watch.progress import TrainingBar
from bluebird.watch.tensorboard import GradientNorm, PictureGrid, WeightHistograms


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
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=4, help="epochs of each side in a round")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    keep_freed_memory()  # both sides alike
    data = BirdData()
    data.setup()
    steps = options.epochs * len(data.train_dataloader())
    bare, lightning = [], []
    with tempfile.TemporaryDirectory() as folder:
        bare_seconds(data, 1)  # warm up
        for number in range(options.rounds):
            sides = [
                lambda: bare.append(bare_seconds(data, options.epochs) / steps * 1e3),
                lambda: lightning.append(lightning_seconds(data, options.epochs, folder) / steps * 1e3),
            ]
            for side in sides[:: 1 if number % 2 else -1]:
                side()
            print(f"round {number + 1}: bare {bare[-1]:6.2f} ms a step, lightning {lightning[-1]:6.2f} ms", flush=True)
    for name, at in (("lower quartile", 0), ("median", 1)):
        b, li = (statistics.quantiles(values, n=4)[at] for values in (bare, lightning))
        print(f"{name}: bare {b:.2f} ms, lightning {li:.2f} ms, ratio {li / b:.3f}")


if __name__ == "__main__":
    main()
