"""What TensorBoard shows beside the curves: pictures as the network sees them, weights, gradients."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer
from torch.utils.tensorboard.writer import SummaryWriter
from torchvision.utils import make_grid


class PictureGrid(L.Callback):
    """Shows the first training pictures of an epoch, varied as they are, with normalisation undone."""

    def __init__(self, num_pictures: int = 32, every_n_epochs: int = 5) -> None:
        self.num_pictures = num_pictures
        self.every_n_epochs = every_n_epochs

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: tuple[Tensor, Tensor], batch_idx: int
    ) -> None:
        writer = _writer(trainer)
        if batch_idx != 0 or trainer.current_epoch % self.every_n_epochs or writer is None:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        images = denormalise(batch[0][: self.num_pictures], data.mean, data.std)
        writer.add_image("pictures/train", make_grid(images, nrow=8), trainer.global_step)


class ModelGraph(L.Callback):
    """Shows the network as a graph of operations, once, at the first step of a run; not one that is in pieces."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        writer = _writer(trainer)
        if writer is None or trainer.global_step > 0:
            return
        network: Any = pl_module.network
        side = network.image_size
        weight = next(network.parameters())
        if isinstance(weight, DTensor):  # other processes would have to take part
            return
        random_state = torch.get_rng_state()
        network.eval()
        writer.add_graph(network, weight.new_zeros(1, 3, side, side))
        network.train()
        torch.set_rng_state(random_state)


class WeightHistograms(L.Callback):
    """Shows how the values of each parameter are spread, at the end of every second epoch."""

    every_n_epochs = 2
    max_values = 10_000  # evenly spaced ones of a large parameter: the same shape for less time

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        writer = _writer(trainer)
        if trainer.current_epoch % self.every_n_epochs:
            return
        for name, parameter in pl_module.named_parameters():
            values = _whole(parameter.detach()).flatten()  # all processes take part in this, one of them draws
            if writer is None:
                continue
            values = values[:: max(1, len(values) // self.max_values)]
            drawable = values[values.abs() < 1e20]  # TensorBoard's last bin; nan and infinity fail it too
            if len(drawable):
                writer.add_histogram(name.replace(".", "/"), drawable.float().cpu(), trainer.global_step)


class GradientNorm(L.Callback):
    """Logs the length of the whole gradient, before any clipping, as often as the other curves."""

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        if (trainer.global_step + 1) % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        pl_module.log("train/gradient_norm", _whole(torch.nn.utils.get_total_norm(gradients)))


def denormalise(images: Tensor, mean: list[float], std: list[float]) -> Tensor:
    """Normalised float (N, 3, H, W) back to the scale 0 to 1, for eyes; on the CPU."""
    shape = (1, 3, 1, 1)
    images = images.detach().float().cpu()
    return (images * torch.tensor(std).view(shape) + torch.tensor(mean).view(shape)).clamp(0, 1)


def _whole(tensor: Tensor) -> Tensor:
    """Of a tensor that processes share out among them (FSDP) what it is as a whole; all of them have to ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _writer(trainer: L.Trainer) -> SummaryWriter | None:
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
            writer: SummaryWriter = logger.experiment
            return writer
    return None
