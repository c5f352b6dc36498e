"""What a trial is worth: one training, told of epoch by epoch, ended early where it promises little."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import lightning as L
import optuna

from bluebird.errors import TrainingError, UsageError, is_out_of_memory


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: with a value, or with the reason why it has none."""

    state: Literal["complete", "pruned", "failed"]
    value: float | None = None
    reason: str = ""


class EpochReport(L.Callback):
    """Tells a trial the metric of each validation, and ends the training where the study's pruner says so.

    Args:
        trial: of an Optuna study.
        metric: as it is logged, e.g. "val/accuracy".

    Raises:
        optuna.TrialPruned: at the end of a validation whose metric promises little.
        TrainingError: the validation loss is not finite.
    """

    def __init__(self, trial: optuna.Trial, metric: str) -> None:
        self.trial = trial
        self.metric = metric
        self._start: list[tuple[float, float]] = []  # validation loss and metric of what the training begins with
        self._curve: list[tuple[float, float]] = []  # and of each epoch

    def on_sanity_check_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.num_sanity_val_steps == math.inf:
            self._start = [(float(trainer.callback_metrics["val/loss"]), float(trainer.callback_metrics[self.metric]))]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        loss, value = (float(trainer.callback_metrics[name]) for name in ("val/loss", self.metric))
        if not (math.isfinite(loss) and math.isfinite(value)):
            raise TrainingError(f"the validation loss became {loss} in epoch {trainer.current_epoch + 1}")
        self._curve.append((loss, value))
        self.trial.report(value, len(self._curve))
        if self.trial.should_prune():
            raise optuna.TrialPruned

    def value(self) -> float:
        """The metric where the validation loss was lowest: that of the weights which a training hands over.

        Raises:
            UsageError: nothing was validated.
        """
        if not self._curve:
            raise UsageError("trainer: no epoch was trained and validated; ask for one")
        return min([*self._start, *self._curve], key=lambda point: point[0])[1]


def attempt(train: Callable[[], float]) -> Outcome:
    """How a training ends that gives a trial's value, or raises.

    Settings that do not fit together, a loss that is not finite and a lack of memory are outcomes; whatever else is
    raised goes on as it is.
    """
    try:
        return Outcome("complete", train())
    except optuna.TrialPruned:
        return Outcome("pruned")
    except (UsageError, TrainingError) as error:
        return Outcome("failed", reason=" ".join(str(error).split()))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return Outcome("failed", reason="out of memory")
