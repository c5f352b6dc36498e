"""`bluebird train`: from labelled pictures to a tested model bundle."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from bluebird.bundle import Bundle, Preprocessing, describe, save_bundle, versions
from bluebird.callbacks import EpochSeed, ModelCard
from bluebird.cli.parser import TrainCLI
from bluebird.errors import BundleError, OutputError, UsageError
from bluebird.nets.summary import layer_table
from bluebird.watch import GradientNorm, ModelGraph, PictureGrid, TrainingBar, WeightHistograms


def run(arguments: list[str]) -> int:
    """Train, test with the best checkpoint, write the bundle, say where everything lies."""
    for name in ("lightning.pytorch", "lightning.fabric"):  # they speak up as soon as they are imported
        logging.getLogger(name).setLevel(logging.ERROR)
    resumed, arguments = _resume(arguments)
    cli = TrainCLI(arguments)
    folder = _run_folder(cli, resumed)
    print(f"watch    tensorboard --logdir {folder.parent.parent}\nrun      {folder}\n", flush=True)
    for note in _notes(cli):
        print(f"note     {note}")
    print(layer_table(cli.model.network), flush=True)
    trainer = _trainer(cli, folder)
    _fit(trainer, cli, folder, resumed)
    metrics = _test(trainer, cli)
    bundle = _bundle(cli, metrics)
    save_bundle(bundle, folder / "bundle")
    _log_hyperparameters(trainer, cli, metrics)
    _report(cli, folder, metrics)
    return 0


def _resume(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """`--resume RUN` becomes the config of that run; what else is said changes it."""
    if "--resume" not in arguments:
        return None, arguments
    at = arguments.index("--resume")
    if at + 1 == len(arguments):
        raise UsageError("--resume: expected the run folder to go on with, e.g. runs/mlp/version_0")
    run_folder = Path(arguments[at + 1])
    config = run_folder / "config.yaml"
    if not config.is_file():
        raise UsageError(f"{str(run_folder)!r}: not a run folder (no config.yaml in it)")
    return run_folder, ["--config", str(config), *arguments[:at], *arguments[at + 2 :]]


def _run_folder(cli: TrainCLI, resumed: Path | None) -> Path:
    """Make the folder and put config and versions there before anything long begins."""
    logger = TensorBoardLogger(cli.config.runs_dir, cli.config.name)
    folder = resumed or Path(logger.log_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        cli.parser.save(cli.config, str(folder / "config.yaml"), skip_none=False, overwrite=True)
        (folder / "versions.json").write_text(json.dumps(versions(), indent=2) + "\n")
    except OSError as error:
        raise OutputError(
            f"{str(folder)!r}: the run folder cannot be written ({error.strerror}); choose another with --runs_dir"
        ) from error
    return folder


def _notes(cli: TrainCLI) -> list[str]:
    data = cli.datamodule
    sizes = {name: len(dataset) for name, dataset in data.datasets.items()}
    counts = ", ".join(f"{size:,} {name}" for name, size in sizes.items())
    notes = [f"{len(data.classes)} classes; pictures: {counts}", *data.listing.notes]
    if data.leaks:
        notes.append(f"{data.leaks} pictures of val and test have an identical copy in train")
    if data.failures:
        notes.append(f"{len(data.failures)} unreadable files are left out, listed at the end")
    return notes


def _trainer(cli: TrainCLI, folder: Path) -> L.Trainer:
    checkpoint = _last_checkpoint(folder)
    logger = TensorBoardLogger(
        folder.parent.parent,
        folder.parent.name,
        folder.name,
        default_hp_metric=False,
        purge_step=None if checkpoint is None else _checkpoint_step(checkpoint),
    )
    callbacks: list[L.Callback] = [
        ModelCheckpoint(
            folder / "checkpoints",
            "best-{epoch:03d}",
            monitor="val/loss",
            save_last=True,
            enable_version_counter=False,
        ),
        LearningRateMonitor("step"),
        EpochSeed(cli.datamodule.seed),
        ModelCard(lambda: describe(_bundle(cli, {}))),
        ModelGraph(),
        PictureGrid(),
        WeightHistograms(),
        GradientNorm(),
        TrainingBar(),
    ]
    return cli.instantiate_trainer(logger=logger, extra=callbacks)


def _fit(trainer: L.Trainer, cli: TrainCLI, folder: Path, resumed: Path | None) -> None:
    checkpoint = _last_checkpoint(folder) if resumed else None
    try:
        trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:  # Lightning turns Ctrl-C into an exit of its own
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        kept = _last_checkpoint(folder)
        advice = f"go on with: --resume {folder}" if kept else "no epoch was finished, so nothing is kept"
        raise KeyboardInterrupt(f"interrupted; {advice}") from None
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        raise BundleError(f"{str(checkpoint)!r}: the checkpoint does not fit this config") from error


def _last_checkpoint(folder: Path) -> Path | None:
    last = folder / "checkpoints" / "last.ckpt"
    return last if last.is_file() else None


def _checkpoint_step(checkpoint: Path) -> int:
    try:
        step: int = torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"]
    except Exception as error:  # torch.load raises whatever it meets; all of it means the same here
        raise BundleError(f"{str(checkpoint)!r}: truncated, or no checkpoint; the run has to begin anew") from error
    return step


def _test(trainer: L.Trainer, cli: TrainCLI) -> dict[str, float]:
    """Metrics of the best checkpoint, whose weights the model keeps."""
    (metrics,) = trainer.test(cli.model, cli.datamodule, ckpt_path="best", weights_only=True, verbose=False)
    return {name: float(value) for name, value in metrics.items()}


def _bundle(cli: TrainCLI, metrics: dict[str, float]) -> Bundle:
    data = cli.datamodule
    preprocessing = Preprocessing(data.image_size, list(data.mean), list(data.std))
    return Bundle(cli.model.network, data.classes, preprocessing, data.fingerprint, metrics)


def _log_hyperparameters(trainer: L.Trainer, cli: TrainCLI, metrics: dict[str, float]) -> None:
    flat: dict[str, Any] = {}
    for key, value in cli.config.items():
        if key.startswith(("data", "model")) or key in ("trainer.max_epochs", "trainer.precision"):
            flat[key] = value if isinstance(value, int | float | str | bool) else str(value)
    main = {name: metrics[name] for name in ("test/accuracy", "test/f1", "test/loss")}
    trainer.loggers[0].log_hyperparams(flat, {f"hparam/{name}": value for name, value in main.items()})
    trainer.loggers[0].finalize("success")


def _report(cli: TrainCLI, folder: Path, metrics: dict[str, float]) -> None:
    data = cli.datamodule
    print(
        f"\ntest     accuracy {metrics['test/accuracy']:.4f}  macro F1 {metrics['test/f1']:.4f}  "
        f"on {len(data.datasets['test']):,} pictures\n"
        f"model    {folder / 'bundle'}\n"
        f"curves   tensorboard --logdir {folder.parent.parent}\n"
        f"search   bluebird predict {folder} FOLDER --out predictions"
    )
    if data.failures:
        print(f"\nleft out, for they cannot be read ({len(data.failures)}):", file=sys.stderr)
        for failure in data.failures:
            print(f"  {failure}", file=sys.stderr)
