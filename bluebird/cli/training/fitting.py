"""The training itself: a trainer with all that watches it, its epochs, and what the network is judged by."""

from __future__ import annotations

import math
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from bluebird.bundle import Validation, describe
from bluebird.callbacks import BestCheckpoint, EpochSeed, Interrupt, ModelCard
from bluebird.cli.training.finite_loss import finite_loss
from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.ranks import leads
from bluebird.cli.training.recipes import Start, as_bundle, judge_by_features
from bluebird.cli.training.resume import Kept, resuming
from bluebird.errors import OutputError, TrainingError, UsageError
from bluebird.watch.curves import SearchCurves
from bluebird.watch.progress import TrainingBar
from bluebird.watch.tensorboard import GradientNorm, ModelGraph, PictureGrid, WeightHistograms
from bluebird.watch.time_table import TimeTable


def make_trainer(cli: TrainCLI, folder: Path, kept: Kept | None, interrupt: Interrupt, start: Start) -> L.Trainer:
    """The trainer, with checkpoints, curves and all that looks on; it writes into the run's folder."""
    logger = TensorBoardLogger(
        folder.parent.parent,
        folder.parent.name,
        folder.name,
        default_hp_metric=False,
        purge_step=kept and kept.step,
    )
    callbacks: list[L.Callback] = [
        interrupt,
        BestCheckpoint(folder / "checkpoints"),
        # one of its own: the other's `save_last` keeps no epoch that was not the best so far
        ModelCheckpoint(folder / "checkpoints", "last", enable_version_counter=False),
        LearningRateMonitor("step"),
        EpochSeed(cli.datamodule.seed),
        finite_loss(cli),
        ModelCard(lambda: describe(as_bundle(cli))),
        ModelGraph(),
        PictureGrid(),
        WeightHistograms(),
        GradientNorm(),
        SearchCurves([cli.datamodule.classes.index(name) for name in cli.watched()]),
        TrainingBar(),
    ]
    profiler = cli.config.trainer.profiler or TimeTable()
    first = {} if kept else start.first
    return cli.instantiate_trainer(logger=logger, extra=callbacks, profiler=profiler, **first)


def fit(trainer: L.Trainer, cli: TrainCLI, kept: Kept | None) -> str | None:
    """Train; what a person is to know of the outcome, if anything."""
    try:
        trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=kept.path if kept else None, weights_only=True)
    except OSError as error:
        raise OutputError(
            f"{trainer.log_dir!r}: the run cannot be written any more ({error.strerror or error}); make room, then "
            f"go on with: {resuming(Path(trainer.log_dir or ''))}"
        ) from error
    loss = float(trainer.callback_metrics.get("val/loss", 0.0))
    if not math.isfinite(loss):
        raise TrainingError(
            f"the validation loss became {loss} in epoch {trainer.current_epoch}; "
            "lower the learning rate (--model.optimizer.init_args.lr) and train anew"
        )
    if leads() and is_start(trainer):
        return (
            "no epoch lowered the validation loss: the network is handed over as it began; a lower learning rate "
            "(--model.optimizer.init_args.lr) forgets less"
        )
    return None


def is_start(trainer: L.Trainer) -> bool:
    """Whether the best checkpoint is of what the training began with."""
    return bool(getattr(trainer.checkpoint_callback, "is_start", False))


def validate(trainer: L.Trainer, cli: TrainCLI, start: Start, as_it_began: bool) -> Validation:
    """What the best checkpoint, whose weights the model then keeps, or the model as it is says of the val split."""
    if start.trains:
        if not getattr(trainer.checkpoint_callback, "best_model_path", ""):
            raise UsageError("trainer: no epoch was trained, validated and kept, so there is none to test; ask for one")
        trainer.validate(cli.model, cli.datamodule, ckpt_path="best", weights_only=True, verbose=False)
    return judge_by_features(cli) if as_it_began else Validation(*cli.model.judged())


def test(trainer: L.Trainer, cli: TrainCLI) -> dict[str, float]:
    """Metrics of the model as it is."""
    tested = trainer.test(cli.model, cli.datamodule, verbose=False)
    if not tested:
        raise UsageError("trainer: nothing was tested; raise limit_test_batches")
    return {name: float(value) for name, value in tested[0].items()}
