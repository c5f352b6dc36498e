"""A network in training: one shared step, its loss, its metrics, its optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassRecall

from bluebird.errors import UsageError
from bluebird.nets.mlp import MLP
from bluebird.nets.network import Network

Batch = tuple[Tensor, Tensor]
NetworkFactory = Callable[[int, int], Network]
OptimizerFactory = Callable[[Iterable[Any]], Optimizer]


class Classifier(L.LightningModule):
    """Trains any `Network` on batches of images float (N, 3, S, S) and targets int64 (N,).

    Args:
        classes: K class names, in the order of the network's outputs.
        image_size: side S of the pictures in px.
        class_counts: K numbers of training pictures; needed where `balance` is on.
        network: the class of the network and its own arguments, as class_path and init_args (default: MLP).
        optimizer: the class of the optimiser and its own arguments, likewise (default: AdamW). Weight
            decay spares biases and the scales of batch norm.
        schedule: how the learning rate ends: cosine or linear, to zero; or constant.
        warmup: share of all steps in which the learning rate rises to its peak.
        label_smoothing: share of the target probability that is spread over all classes.
        balance: weigh each class by the inverse of its count, so that rare classes count as much.
    """

    def __init__(
        self,
        classes: Sequence[str],
        image_size: int,
        class_counts: Sequence[int] | None = None,
        network: NetworkFactory | None = None,
        optimizer: OptimizerFactory | None = None,
        schedule: Literal["cosine", "linear", "constant"] = "cosine",
        warmup: float = 0.1,
        label_smoothing: float = 0.0,
        balance: bool = False,
    ) -> None:
        super().__init__()
        _check_share("warmup", warmup)
        _check_share("label_smoothing", label_smoothing)
        self.classes = tuple(classes)
        self.network = (network or MLP)(len(self.classes), image_size)
        self.make_optimizer = optimizer or torch.optim.AdamW
        self.schedule = schedule
        self.warmup = warmup
        self.label_smoothing = label_smoothing
        weights = _class_weights(class_counts, len(self.classes)) if balance else None
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", weights, persistent=False)
        self.val_metrics = _metrics(len(self.classes), "val/")
        self.test_metrics = _metrics(len(self.classes), "test/")

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (N, K) of images (N, 3, S, S)."""
        probs: Tensor = self.network(images)
        return probs

    def on_train_epoch_start(self) -> None:
        self._losses = torch.zeros((), device=self.device)
        self._hits = torch.zeros((), dtype=torch.int64, device=self.device)
        self._seen = 0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        loss, logits = self._shared_step(batch)
        self._note_step(loss.detach(), logits.detach(), batch[1])
        return loss

    def _note_step(self, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Add to the epoch's sums; a metric object would cost a small network a twentieth of its step."""
        self._losses += len(targets) * loss
        self._hits += (logits.argmax(1) == targets).sum()
        self._seen += len(targets)
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/loss_step", loss)

    def on_train_epoch_end(self) -> None:
        seen = max(1, self._seen)
        self.log("train/loss_epoch", self._losses / seen, sync_dist=True)
        self.log("train/accuracy", self._hits / seen, prog_bar=True, sync_dist=True)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        logits = self._judging_step(batch, self.val_metrics, "val/loss")
        self._judged.append((logits.float(), batch[1]))

    def validated(self) -> tuple[Tensor, Tensor]:
        """Logits float32 (M, K) and targets int64 (M,) of the last validation, on the CPU."""
        logits, targets = zip(*self._judged, strict=True)
        return torch.cat(logits).cpu(), torch.cat(targets).cpu()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._judging_step(batch, self.test_metrics, "test/loss")

    def predict_step(self, batch: Tensor | Batch, batch_idx: int = 0) -> Tensor:
        """Probabilities (N, K) of a batch, with or without targets."""
        return self(batch if isinstance(batch, Tensor) else batch[0])  # type: ignore[no-any-return]

    def on_validation_epoch_start(self) -> None:
        self._judged: list[Batch] = []

    def on_validation_epoch_end(self) -> None:
        self._log_metrics(self.val_metrics, "val/")

    def on_test_epoch_end(self) -> None:
        self._log_metrics(self.test_metrics, "test/")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = self.make_optimizer(_decay_groups(self.network))
        total = int(self.trainer.estimated_stepping_batches)

        def factor(step: int) -> float:
            return lr_factor(step, total, self.warmup, self.schedule)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _shared_step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        images, targets = batch
        logits = self.network.logits(images)
        precise = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half a float is too little for a sum
        weight = None if self.class_weights is None else self.class_weights.to(precise.dtype)
        loss = functional.cross_entropy(precise, targets, weight=weight, label_smoothing=self.label_smoothing)
        return loss, logits

    def _judging_step(self, batch: Batch, metrics: MetricCollection, name: str) -> Tensor:
        loss, logits = self._shared_step(batch)
        metrics.update(logits, batch[1])
        self.log(name, loss, prog_bar=name == "val/loss", batch_size=len(batch[1]), logger=self._to_logger())
        return logits

    def _to_logger(self) -> bool | None:
        """Figures belong into the curves, if any, but not where a trained network is validated once more."""
        return False if self.trainer.state.fn == "validate" else None

    def _log_metrics(self, metrics: MetricCollection, prefix: str) -> None:
        values = metrics.compute()
        recalls = values.pop(f"{prefix}recall")
        by_class = {f"{prefix}recall/{name}": recall for name, recall in zip(self.classes, recalls, strict=True)}
        self.log_dict(values, prog_bar=True, logger=self._to_logger())
        self.log_dict(by_class, logger=self._to_logger())
        metrics.reset()


def lr_factor(step: int, total: int, warmup: float, schedule: str) -> float:
    """What the peak learning rate is multiplied by at `step` of `total`: a linear rise, then the fall.

    Source: cosine after Loshchilov & Hutter 2016 (arXiv 1608.03983), one cycle, no restart.
    """
    rise = math.ceil(warmup * total)
    if step < rise:
        return (step + 1) / (rise + 1)
    done = min(1.0, (step - rise) / max(1, total - rise))
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if schedule == "linear" else 1.0


def _metrics(num_classes: int, prefix: str) -> MetricCollection:
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
            "f1": MulticlassF1Score(num_classes, average="macro", validate_args=False),
            "recall": MulticlassRecall(num_classes, average=None, validate_args=False),
        },
        prefix=prefix,
    )


def _decay_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels; none for biases and scales, which have one axis."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _class_weights(counts: Sequence[int] | None, num_classes: int) -> Tensor:
    """Weights (K,) inverse to the counts, whose mean over the pictures is one."""
    if counts is None or len(counts) != num_classes or min(counts) < 1:
        raise UsageError(f"class_counts is {counts}; expected {num_classes} whole numbers of at least 1")
    weights = 1 / torch.tensor(counts, dtype=torch.float32)
    return weights * sum(counts) / num_classes


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise UsageError(f"{name} is {value}; expected a share from 0 up to, not including, 1")
