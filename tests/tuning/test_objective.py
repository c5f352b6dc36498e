from __future__ import annotations

from collections.abc import Callable, Sequence

import lightning as L
import optuna
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from bluebird.errors import DataError, TrainingError, UsageError
from bluebird.tuning.objective import EpochReport, Outcome, attempt


class Scripted(L.LightningModule):
    """Logs the given losses and accuracies, an epoch each."""

    def __init__(self, losses: Sequence[float], accuracies: Sequence[float]) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.losses, self.accuracies = losses, accuracies

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        return self.layer(batch[0]).sum()  # type: ignore[no-any-return]

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        self.log("val/loss", self.losses[self.current_epoch], batch_size=1)
        self.log("val/accuracy", self.accuracies[self.current_epoch], batch_size=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def _study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=0.2))


def _train(losses: Sequence[float], accuracies: Sequence[float], trial: optuna.Trial) -> float:
    report = EpochReport(trial, "val/accuracy")
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=len(losses),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[report],
    )
    loader = DataLoader(TensorDataset(torch.ones(1, 1)))
    trainer.fit(Scripted(losses, accuracies), loader, loader)
    return report.value()


quiet = pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*number of training batches")


@quiet
def test_a_trial_is_worth_the_metric_of_the_epoch_with_the_lowest_loss() -> None:
    trial = _study().ask()
    assert _train([3, 1, 2], [0.25, 0.5, 0.75], trial) == 0.5
    assert trial.study.trials[0].intermediate_values == {1: 0.25, 2: 0.5, 3: 0.75}


@quiet
def test_a_trial_ends_at_the_epoch_at_which_the_pruner_says_so() -> None:
    trial = _study().ask()
    assert attempt(lambda: _train([3, 1, 2], [0.25, 0.125, 0.5], trial)) == Outcome("pruned")
    assert trial.study.trials[0].intermediate_values == {1: 0.25, 2: 0.125}


@quiet
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_fails_the_trial_and_names_the_epoch(bad: float) -> None:
    trial = _study().ask()
    end = attempt(lambda: _train([3, bad, 2], [0.25, 0.25, 0.5], trial))
    assert end == Outcome("failed", reason=f"the validation loss became {bad} in epoch 2")


def test_a_training_that_validates_nothing_fails_the_trial() -> None:
    assert attempt(EpochReport(_study().ask(), "val/loss").value).state == "failed"


def _raiser(error: BaseException) -> Callable[[], float]:
    def train() -> float:
        raise error

    return train


def _too_much() -> float:
    return float(torch.empty(2**58).sum())  # an exbibyte


@pytest.mark.parametrize(
    "train",
    [
        _too_much,
        _raiser(MemoryError()),
        _raiser(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")),
        _raiser(RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)")),
    ],
)
def test_a_lack_of_memory_fails_the_trial(train: Callable[[], float]) -> None:
    assert attempt(train) == Outcome("failed", reason="out of memory")


@pytest.mark.parametrize("error", [UsageError("no\nsuch  thing"), TrainingError("no such thing")])
def test_settings_that_do_not_fit_fail_the_trial_with_a_line(error: Exception) -> None:
    assert attempt(_raiser(error)) == Outcome("failed", reason="no such thing")


@pytest.mark.parametrize("error", [RuntimeError("a fault"), DataError("gone"), KeyboardInterrupt(), OSError("full")])
def test_whatever_else_is_raised_goes_on_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)):
        attempt(_raiser(error))
