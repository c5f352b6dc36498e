"""A network in training: one shared step, its loss, its metrics, its optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassRecall

from bluebird.errors import UsageError
from bluebird.nets.judging import gathered, mean_cost, num_own
from bluebird.nets.mlp import MLP
from bluebird.nets.network import Network
from bluebird.nets.optim import OptimizerFactory, build_optimizer, check_layer_decay
from bluebird.nets.thaw import check_strategy, check_unfreeze, thaw

Batch = tuple[Tensor, Tensor]
NetworkFactory = Callable[[int, int], Network]


class Classifier(L.LightningModule):
    """Trains any `Network` on batches of images float (N, 3, S, S) and targets int64 (N,).

    In training, targets may be shares float (N, K) of the classes instead, as mixed pictures have them.

    Args:
        classes: K class names, in the order of the network's outputs.
        image_size: side S of the pictures in px.
        class_counts: K numbers of training pictures; needed where `balance` is on.
        network: the class of the network and its own arguments, as class_path and init_args (default: MLP).
        optimizer: the class of the optimiser and its own arguments, likewise (default: AdamW). Weight
            decay spares biases and the scales of batch norm.
        schedule: how the learning rate ends: cosine or linear, to zero; or constant.
        warmup: share of all steps in which the learning rate rises to its peak.
        layer_decay: what the learning rate of each part of a Backbone is of that of the part after it; the head
            has the full rate.
        unfreeze: share of all steps over which a Backbone thaws, from its last part to its first, while its head
            trains from the start; at 0 all of it does.
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
        layer_decay: float = 1.0,
        unfreeze: float = 0.0,
        label_smoothing: float = 0.0,
        balance: bool = False,
    ) -> None:
        super().__init__()
        _check_share("warmup", warmup)
        _check_share("label_smoothing", label_smoothing)
        self.classes = tuple(classes)
        self.network = (network or MLP)(len(self.classes), image_size)
        check_layer_decay(self.network, layer_decay)
        check_unfreeze(self.network, unfreeze)
        self.make_optimizer: OptimizerFactory = optimizer or torch.optim.AdamW
        self.layer_decay = layer_decay
        self.unfreeze_share = unfreeze
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

    def setup(self, stage: str) -> None:
        """Lightning reads a checkpoint first and converts the module then: float64 would have been cut to float32."""
        self.trainer.precision_plugin.convert_module(self)

    def on_fit_start(self) -> None:
        if self.unfreeze_share:
            check_strategy(self.trainer)

    def on_train_epoch_start(self) -> None:
        self._losses = torch.zeros((), device=self.device)
        self._hits = torch.zeros((), dtype=torch.int64, device=self.device)
        self._seen = 0
        self.network.train()  # Lightning leaves modes as they are; what is frozen for good goes into evaluation here
        if self.unfreeze_share:
            thaw(self.network, self.global_step, int(self.trainer.estimated_stepping_batches), self.unfreeze_share)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        loss, logits = self._shared_step(batch)
        self._note_step(loss.detach(), logits.detach(), batch[1])
        return loss

    def _note_step(self, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Add to the epoch's sums; a metric object would cost a small network a twentieth of its step."""
        self._losses += len(targets) * loss
        self._hits += (logits.argmax(1) == (targets.argmax(1) if targets.ndim == 2 else targets)).sum()
        self._seen += len(targets)
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/loss_step", loss)

    def on_train_epoch_end(self) -> None:
        seen = max(1, self._seen)
        self.log("train/loss_epoch", self._losses / seen, sync_dist=True)
        self.log("train/accuracy", self._hits / seen, prog_bar=True, sync_dist=True)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._judging_step(batch, batch_idx, self.val_metrics)

    def judged(self) -> tuple[Tensor, Tensor]:
        """Logits float32 (M, K) and targets int64 (M,) of the last validation or test, on the CPU.

        Of several processes all have to ask; each gets what all have judged, in the order of the data.
        """
        logits, targets = zip(*self._judged, strict=True)
        return gathered(self.trainer, torch.cat(logits), torch.cat(targets))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._judging_step(batch, batch_idx, self.test_metrics)

    def predict_step(self, batch: Tensor | Batch, batch_idx: int = 0) -> Tensor:
        """Probabilities (N, K) of a batch, with or without targets."""
        return self(batch if isinstance(batch, Tensor) else batch[0])  # type: ignore[no-any-return]

    def on_validation_epoch_start(self) -> None:
        self._judged: list[Batch] = []
        self._cost = torch.zeros((), device=self.device)

    def on_test_epoch_start(self) -> None:
        self.on_validation_epoch_start()

    def on_validation_epoch_end(self) -> None:
        self._log_metrics(self.val_metrics, "val/")

    def on_test_epoch_end(self) -> None:
        self._log_metrics(self.test_metrics, "test/")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = build_optimizer(self.make_optimizer, self.network, self.layer_decay)
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
        if targets.ndim == 1:
            loss = functional.cross_entropy(precise, targets, weight=weight, label_smoothing=self.label_smoothing)
        else:
            loss = _cost_of_shares(precise, targets, weight, self.label_smoothing)
        return loss, logits

    def _judging_step(self, batch: Batch, batch_idx: int, metrics: MetricCollection) -> None:
        count = num_own(self.trainer, batch_idx, len(batch[1]))
        images, targets = batch[0][: max(1, count)], batch[1][: max(1, count)]  # one that counts nothing has a loss too
        loss, logits = self._shared_step((images, targets))
        metrics.update(logits[:count], targets[:count])
        self._cost = self._cost + count * loss
        self._judged.append((logits[:count].float(), targets[:count]))

    def _to_logger(self) -> bool | None:
        """Figures belong into the curves, if any, but not where a trained network is validated once more."""
        return False if self.trainer.state.fn == "validate" else None

    def _log_metrics(self, metrics: MetricCollection, prefix: str) -> None:
        count = sum(len(targets) for _, targets in self._judged)
        values = {f"{prefix}loss": mean_cost(self.trainer, self._cost, count), **metrics.compute()}
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


def _cost_of_shares(logits: Tensor, shares: Tensor, weight: Tensor | None, smoothing: float) -> Tensor:
    """Cross entropy of targets that are shares (N, K) and sum to one; whole shares cost what class numbers do.

    torch divides by N where targets are shares, by the sum of the targets' weights where they are numbers; here it is
    that sum for both.
    """
    cost = functional.cross_entropy(logits, shares, weight=weight, label_smoothing=smoothing, reduction="sum")
    # a product of matrices would be one of half floats where precisions are mixed
    return cost / (len(shares) if weight is None else (shares * weight).sum())


def _class_weights(counts: Sequence[int] | None, num_classes: int) -> Tensor:
    """Weights (K,) inverse to the counts, whose mean over the pictures is one."""
    if counts is None or len(counts) != num_classes or min(counts) < 1:
        raise UsageError(f"class_counts is {counts}; expected {num_classes} whole numbers of at least 1")
    weights = 1 / torch.tensor(counts, dtype=torch.float32)
    return weights * sum(counts) / num_classes


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise UsageError(f"{name} is {value}; expected a share from 0 up to, not including, 1")
