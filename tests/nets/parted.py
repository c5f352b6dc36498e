"""A small network whose body has parts, and a training of it."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from bluebird.nets.classifier import Classifier
from bluebird.nets.network import Network


class Parted(Network):
    """Four parts of a convolution, batch norm and ReLU each; the mean over all places; linear, softmax."""

    def __init__(self, num_classes: int, image_size: int, freeze: str = "nothing") -> None:
        super().__init__(num_classes, image_size)
        widths = [3, 4, 4, 4, 4]
        self.body = nn.Sequential(
            *(nn.Sequential(OrderedDict(conv=nn.Conv2d(c, w, 3, padding=1), norm=nn.BatchNorm2d(w), gate=nn.ReLU()))
              for c, w in pairwise(widths))
        )  # fmt: skip
        self.head = nn.Linear(4, num_classes)
        self.freeze = freeze

    def blocks(self) -> list[nn.Module]:
        return list(self.body)

    def train(self, mode: bool = True) -> Parted:
        super().train(mode)
        for module in self.body.modules():
            if self.freeze == "norm" and isinstance(module, nn.BatchNorm2d):
                module.training = False
        return self

    def features(self, images: Tensor) -> Tensor:
        maps: Tensor = self.body(images)
        return maps.mean(dim=(2, 3))

    def decide(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(features)
        return logits


class Keep(L.Callback):
    """Writes a checkpoint after each epoch, counted from 1, into the trainer's folder."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.save_checkpoint(Path(trainer.default_root_dir) / f"{trainer.current_epoch + 1}.ckpt")


def classifier(**arguments: Any) -> Classifier:
    """A classifier of `Parted`, its weights drawn from a fixed seed."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {"network": Parted, "optimizer": lambda groups: torch.optim.Adam(groups, lr=0.01)}
    return Classifier(("a", "b"), 8, **(settings | arguments))


def loader(count: int = 32, batch_size: int = 8, dtype: torch.dtype = torch.float32) -> DataLoader[Any]:
    """Noise in the same order in each epoch; class b is the brighter."""
    generator = torch.Generator().manual_seed(1)
    targets = torch.arange(count) % 2
    images = torch.randn(count, 3, 8, 8, generator=generator, dtype=dtype) + targets.view(-1, 1, 1, 1)
    return DataLoader(TensorDataset(images, targets), batch_size)


def trainer(folder: Path, *callbacks: L.Callback, **settings: Any) -> L.Trainer:
    """A silent trainer on the CPU."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0}
    keeping = any(isinstance(callback, L.pytorch.callbacks.ModelCheckpoint) for callback in callbacks)
    return L.Trainer(accelerator="cpu", default_root_dir=folder, enable_checkpointing=keeping, log_every_n_steps=1,
                     callbacks=list(callbacks), **quiet, **settings)  # fmt: skip
