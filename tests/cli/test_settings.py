from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from bluebird.cli import main
from bluebird.cli.settings import refused_in_a_line
from bluebird.errors import UsageError
from tests.conftest import MakeFolder, small_run


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("trainer.val_check_interval", "100000", "trainer: `val_check_interval` (100000) must be less than or equal"),
        ("trainer.val_check_interval", "0", "trainer.val_check_interval is 0; expected a number above 0"),
        ("trainer.check_val_every_n_epoch", "0", "trainer.check_val_every_n_epoch is 0; expected"),
        ("trainer.check_val_every_n_epoch", "100", "trainer: no epoch was trained, validated and kept"),
        ("trainer.log_every_n_steps", "0", "trainer.log_every_n_steps is 0; expected"),
        ("trainer.accumulate_grad_batches", "0", "trainer.accumulate_grad_batches is 0; expected"),
        ("trainer.limit_train_batches", "-1", "trainer: You have passed invalid value -1"),
        ("trainer.limit_train_batches", "0", "trainer: no epoch was trained, validated and kept"),
        ("trainer.limit_val_batches", "0", "trainer: Early stopping conditioned on metric `val/loss` which is not"),
        ("trainer.limit_test_batches", "0", "trainer: nothing was tested; raise limit_test_batches"),
        ("trainer.max_epochs", "0", "trainer: no epoch was trained, validated and kept"),
        ("trainer.max_epochs", "-1", "trainer.max_epochs is -1: the learning rate needs an end to fall towards"),
        ("trainer.max_steps", "-5", "trainer: `max_steps` must be a non-negative integer or -1"),
        ("trainer.fast_dev_run", "true", "trainer: no epoch was trained, validated and kept"),
        ("trainer.precision", "foo", 'Parser key "trainer.precision"'),
        ("trainer.strategy", "foo", "trainer: You selected an invalid strategy name"),
        ("trainer.strategy", "fsdp", "trainer: The strategy `fsdp` requires a GPU"),
        ("trainer.devices", "many", "trainer: `devices` selected with `CPUAccelerator` should be an int > 0"),
        ("trainer.num_nodes", "0", "trainer: `num_nodes` must be a positive integer"),
        ("trainer.barebones", "true", "trainer: `Trainer(barebones=True"),
        ("trainer.profiler", "foo", "trainer: When passing string value for the `profiler`"),
        ("early_stopping.mode", "up", "trainer: `mode` can be min, max, got up"),
        ("early_stopping.monitor", "val/x", "trainer: Early stopping conditioned on metric `val/x` which is not"),
        ("model.optimizer.init_args.lr", "-1", "model.optimizer: Invalid learning rate: -1"),
        ("seed_everything", "-1", "seed_everything: -1 is not in bounds"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_one_line_whoever_checks_it(
    setting: str, value: str, reason: str, make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [*small_run(make_folder(4), tmp_path / "runs"), "--trainer.max_epochs", "1"]
    assert main(["train", *run, f"--{setting}", value]) == 2
    *epochs, line = capsys.readouterr().err.splitlines()
    assert line.startswith("bluebird: ")
    assert reason in line
    assert all(epoch.startswith("epoch ") for epoch in epochs)


def _explicit() -> None:
    raise ValueError("a fault of ours")


FAULTS: list[Callable[[], object]] = [
    _explicit,
    lambda: int("x"),
    lambda: torch.ones(2) + torch.ones(3),  # an operation in C
    lambda: torch.nn.Linear(2, 2)(torch.ones(3)),  # in the midst of a library
    lambda: torch.optim.SGD([torch.ones(1)], lr=object()),  # type: ignore[arg-type]  # in an optimiser, no check
    lambda: L.seed_everything([]),  # type: ignore[arg-type]  # in Lightning, no check
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_program_is_not_taken_for_a_setting(fault: Callable[[], object]) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError)), refused_in_a_line():  # `UsageError` is none of these
        fault()


def test_a_check_is_known_by_who_raises_not_by_what_is_raised() -> None:
    with pytest.raises(UsageError, match=r"trainer: .*max_steps"), refused_in_a_line():
        L.Trainer(max_steps=-5)
    with pytest.raises(MisconfigurationException), refused_in_a_line():
        raise MisconfigurationException("by us")
