"""What TensorBoard holds of a training once it has ended, beside its curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from torch import Tensor

from bluebird.bundle import Bundle, Validation
from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.recipes import features_of_splits
from bluebird.engines.engine import Fetch
from bluebird.engines.opened import open_engine
from bluebird.report.board import Board, FeaturesOf


def show(trainer: L.Trainer, cli: TrainCLI, as_it_began: bool, model: Bundle, validation: Validation) -> None:
    """Its search, its trust and its mistakes; the pictures in the order in which they were validated."""
    val = cli.datamodule.datasets["val"]

    def pictures(numbers: Sequence[int]) -> Tensor:
        return val.__getitems__(numbers)[0]

    logger: Any = trainer.loggers[0]
    board = Board(logger.experiment, trainer.global_step)
    features = _kept_features(cli) if as_it_began else _asked_features(model, pictures)
    board.show(model, pictures, features, validation, cli.watched())


def _kept_features(cli: TrainCLI) -> FeaturesOf:
    kept = features_of_splits(cli, ["val"]).values
    return lambda numbers: kept[list(numbers)]


def _asked_features(model: Bundle, pictures: Fetch) -> FeaturesOf:
    engine, _ = open_engine(model, Path(), "torch")
    return lambda numbers: engine.ask(pictures(numbers)).features


def log_hyperparameters(trainer: L.Trainer, cli: TrainCLI, metrics: dict[str, float]) -> None:
    """Settings beside final metrics, for its table of runs."""
    flat: dict[str, Any] = {}
    for key, value in cli.config.items():
        if key.startswith(("data", "model")) or key in ("trainer.max_epochs", "trainer.precision"):
            flat[key] = value if isinstance(value, int | float | str | bool) else str(value)
    main = {name: metrics[name] for name in ("test/accuracy", "test/f1", "test/loss")}
    trainer.loggers[0].log_hyperparams(flat, {f"hparam/{name}": value for name, value in main.items()})
    trainer.loggers[0].finalize("success")
