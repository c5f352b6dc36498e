"""Targets that are shares of the classes, as mixed pictures have them."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader, TensorDataset

from bluebird.cli import main
from bluebird.nets.classifier import Classifier
from bluebird.nets.mlp import MLP
from tests.conftest import MakeFolder, small_run

CLASSES = ("a", "b", "c")
COUNTS = [10, 40, 50]
SETTINGS = [(False, 0.0), (False, 0.3), (True, 0.0), (True, 0.3)]


def _classifier(balance: bool = False, smoothing: float = 0.0) -> Classifier:
    torch.manual_seed(4)
    network = lambda k, side: MLP(k, side, widths=[8], dropout=0.0)  # noqa: E731
    return Classifier(CLASSES, 8, COUNTS, network, _standstill, balance=balance, label_smoothing=smoothing)


def _standstill(parameters: object) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.0)  # type: ignore[arg-type]


def _images(n: int = 30) -> torch.Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def _shares(n: int = 30) -> torch.Tensor:
    return torch.rand(n, 3, generator=torch.Generator().manual_seed(1)).mul(4).softmax(1)


def _loss(model: Classifier, targets: torch.Tensor) -> float:
    return float(model._shared_step((_images(), targets))[0].detach())


@pytest.mark.parametrize(("balance", "smoothing"), SETTINGS)
def test_the_loss_of_shares_is_that_of_the_formula(balance: bool, smoothing: float) -> None:
    model = _classifier(balance, smoothing)
    log_probs = np.log(model(_images()).detach().double().numpy())
    shares = _shares().double().numpy()
    weights = 100 / (3 * np.array(COUNTS)) if balance else np.ones(3)
    wanted = (1 - smoothing) * shares + smoothing / 3
    expected = -(weights * wanted * log_probs).sum() / (weights * shares).sum()
    assert _loss(model, _shares()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("balance", "smoothing"), SETTINGS)
def test_whole_shares_cost_what_class_numbers_do(balance: bool, smoothing: float) -> None:
    model, numbers = _classifier(balance, smoothing), torch.arange(30) % 3
    assert _loss(model, torch.eye(3)[numbers]) == pytest.approx(_loss(model, numbers), rel=1e-6)


def test_shares_in_single_precision_are_taken_by_a_network_in_double() -> None:
    model = _classifier(balance=True).double()
    loss, _ = model._shared_step((_images().double(), _shares()))
    assert loss.dtype == torch.float64


def test_a_hit_is_where_the_greatest_share_was_predicted() -> None:
    model = _classifier()
    expected = (model(_images()).argmax(1) == _shares().argmax(1)).double().mean()
    loss = _loss(model, _shares())
    trainer = L.Trainer(accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
                        enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    judged = DataLoader(TensorDataset(_images(), torch.arange(30) % 3), 15)
    trainer.fit(model, DataLoader(TensorDataset(_images(), _shares()), 15), judged)
    assert 0 < expected < 1
    assert float(trainer.callback_metrics["train/accuracy"]) == pytest.approx(float(expected))
    assert float(trainer.callback_metrics["train/loss_epoch"]) == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        ["--data.augment.mixup", "0.2", "--data.augment.cutmix", "1.0", "--model.balance", "true"],
        ["--data.augment.policy", "trivial", "--data.augment.erase", "0.5", "--data.augment.aspect", "0.25"],
        ["--data.augment.policy", "rand", "--data.balanced_sampling", "true", "--trainer.precision", "bf16-mixed",
         "--data.augment.mixup", "0.2", "--model.balance", "true"],
    ],
    ids=["mixed", "varied", "balanced"],
)  # fmt: skip
def test_a_training_so_varied_learns_and_is_watched(
    options: list[str], make_folder: MakeFolder, tmp_path: Path
) -> None:
    root, runs = make_folder(24), tmp_path / "runs"
    assert main(["train", *small_run(root, runs), *options, "--trainer.max_epochs", "6"]) == 0
    watched = EventAccumulator(str(runs / "small" / "version_0")).Reload()
    assert "pictures/train" in watched.Tags()["images"]
    assert max(event.value for event in watched.Scalars("val/accuracy")) > 0.9
