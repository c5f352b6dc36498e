from __future__ import annotations

from pathlib import Path

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from bluebird.callbacks import Converged, Interrupt
from bluebird.errors import UsageError
from bluebird.nets import MLP
from bluebird.nets.classifier import Classifier


def _fit(lr: float, threshold: float | None, tmp_path: Path) -> L.Trainer:
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(16, 3, 4, 4), torch.arange(16) % 2)
    model = Classifier(
        ("a", "b"), 4, network=lambda k, side: MLP(k, side, widths=[4], dropout=0.0), schedule="constant",
        warmup=0.0, optimizer=lambda groups: torch.optim.SGD(groups, lr=lr),
    )  # fmt: skip
    trainer = L.Trainer(max_epochs=5, accelerator="cpu", logger=False, enable_checkpointing=False,
                        enable_progress_bar=False, enable_model_summary=False, callbacks=[Converged(threshold)],
                        default_root_dir=tmp_path)  # fmt: skip
    trainer.fit(model, DataLoader(data, 16), DataLoader(data, 16))
    return trainer


def test_training_stops_when_no_parameter_moves_any_more(tmp_path: Path) -> None:
    trainer = _fit(lr=1e-9, threshold=1e-6, tmp_path=tmp_path)
    assert trainer.current_epoch == 1
    assert 0 <= float(trainer.callback_metrics["params/movement"]) < 1e-6


def test_training_goes_on_while_a_parameter_moves(tmp_path: Path) -> None:
    trainer = _fit(lr=0.1, threshold=1e-6, tmp_path=tmp_path)
    assert trainer.current_epoch == 5
    assert float(trainer.callback_metrics["params/movement"]) > 1e-6


def test_without_a_threshold_nothing_is_measured(tmp_path: Path) -> None:
    trainer = _fit(lr=1e-9, threshold=None, tmp_path=tmp_path)
    assert trainer.current_epoch == 5
    assert "params/movement" not in trainer.callback_metrics


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan"), float("inf")])
def test_a_threshold_that_cannot_be_met_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match=r"converged\.threshold"):
        Converged(threshold)


def test_ctrl_c_waits_for_the_next_batch_and_a_second_one_does_not() -> None:
    interrupt = Interrupt()
    interrupt.on_train_batch_start()
    interrupt.ask()
    for hook in (interrupt.on_train_batch_start, interrupt.on_validation_batch_start, interrupt.on_test_batch_start):
        with pytest.raises(KeyboardInterrupt):
            hook()
    with pytest.raises(KeyboardInterrupt):
        interrupt.ask()
