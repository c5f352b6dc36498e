"""`bluebird train`: from labelled pictures to a tested model bundle."""

from __future__ import annotations

import copy
import json
import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from bluebird.bundle import Bundle, Validation, describe, save_bundle, versions
from bluebird.callbacks import BestCheckpoint, EpochSeed, Interrupt, ModelCard
from bluebird.cli.choose import choose_watched
from bluebird.cli.memory import keep_freed_memory
from bluebird.cli.mute import mute_lightning
from bluebird.cli.settings import refused_in_a_line
from bluebird.cli.training.calibrate import calibrated
from bluebird.cli.training.card import write_card, write_times
from bluebird.cli.training.find import find
from bluebird.cli.training.finite_loss import finite_loss
from bluebird.cli.training.launch import planned
from bluebird.cli.training.mishaps import memory_in_a_line
from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.ranks import alone, given_folder, in_rank, leads, one_at_a_time
from bluebird.cli.training.recipes import (
    Start,
    as_bundle,
    features_of_splits,
    find_head,
    judge_by_features,
    learn_val_too,
    prepare,
)
from bluebird.cli.training.resume import Kept, advice, check_settings, interruptible, read_kept, resuming, take_resume
from bluebird.cli.training.seeds import take_seeds, train_seeds
from bluebird.cli.training.told import notes, report, said
from bluebird.engines.opened import open_engine
from bluebird.errors import OutputError, TrainingError, UsageError
from bluebird.nets.summary import layer_table
from bluebird.report.board import Board
from bluebird.report.card_facts import Made
from bluebird.watch.curves import SearchCurves
from bluebird.watch.progress import TrainingBar
from bluebird.watch.tensorboard import GradientNorm, ModelGraph, PictureGrid, WeightHistograms
from bluebird.watch.time_table import TimeTable


def run(arguments: list[str]) -> int:
    """Train, test with the best checkpoint, write the bundle, say where everything lies."""
    keep_freed_memory()
    _quiet_lightning()
    with in_rank(), refused_in_a_line():
        seeds, arguments = take_seeds(arguments)
        return train_seeds(arguments, seeds, run) if seeds else _run(arguments)


def _run(arguments: list[str]) -> int:
    given = arguments
    resumed, arguments = take_resume(arguments)
    with one_at_a_time():
        cli = TrainCLI(arguments)
    # before anything is written: what is refused leaves the run as it was
    _target(cli)
    kept = _kept(cli, resumed) if resumed else None
    start = prepare(cli, anew=not kept)
    if cli.config.find:
        if resumed:
            raise UsageError("--find: looks before a training begins; leave out --resume")
        return find(cli, cli.config.find, arguments)
    launch = planned(cli)
    folder = _run_folder(cli, given_folder() or resumed)
    if launch:
        return launch.run(folder, given)
    print(f"watch    tensorboard --logdir {folder.parent.parent}\nrun      {folder}\n", flush=True)
    print(f"{layer_table(cli.model.network)}\n")
    for note in [*notes(cli, resumed), *start.notes, *start.reasons]:
        print(f"note     {note}", flush=True)
    interrupt = Interrupt()
    trainer = _trainer(cli, folder, kept, interrupt, start)
    made, learnt = list(start.reasons), ["train"]
    with interruptible(interrupt, lambda: advice(folder)), memory_in_a_line(cli):
        head = find_head(cli, start.recipe) if not kept and leads() else None  # the leader's weights become everybody's
        made += said(head.note if head else None)
        if start.trains:
            made += said(_fit(trainer, cli, kept))
        trainer = alone(cli, trainer)
        if not leads():
            return 0
        as_it_began = not start.trains or _is_start(trainer)
        validation = _validate(trainer, cli, start, as_it_began)
        validated = calibrated(as_bundle(cli), validation)
        if as_it_began:
            validated = copy.deepcopy(validated)  # its network as it was judged
            if anew := said(learn_val_too(cli, start.recipe, head)):
                made, learnt = [*made, *anew], ["train", "val"]
        metrics = _test(trainer, cli)
    bundle = replace(validated, network=cli.model.network, metrics=metrics)
    save_bundle(bundle, folder / "bundle")
    tested = Validation(*cli.model.judged())
    write_card(cli, bundle, tested, _target(cli), arguments, Made(made, start.trains, learnt), folder / "bundle")
    _show(trainer, cli, as_it_began, validated, validation)
    _log_hyperparameters(trainer, cli, metrics)
    if table := write_times(trainer, folder):
        print(f"\n{table}")
    report(cli, folder, metrics)
    return 0


def _quiet_lightning() -> None:
    mute_lightning()
    # TensorBoard writes in a thread; what fails there fails at the next curve too, and is said then
    threading.excepthook = lambda hook: None if isinstance(hook.exc_value, OSError) else threading.__excepthook__(hook)


def _kept(cli: TrainCLI, resumed: Path) -> Kept | None:
    check_settings(resumed, cli.settings())
    return read_kept(resumed, describe(as_bundle(cli)))


def _run_folder(cli: TrainCLI, resumed: Path | None) -> Path:
    """Make the folder and put config and versions there before anything long begins."""
    logger = TensorBoardLogger(cli.config.runs_dir, cli.config.name)
    folder = resumed or Path(logger.log_dir)
    if not leads():
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "config.yaml.part"  # other ranks may be reading the one that is there
        cli.parser.save(cli.config, str(part), skip_none=False, overwrite=True)
        part.replace(folder / "config.yaml")
        (folder / "versions.json").write_text(json.dumps(versions(), indent=2) + "\n")
    except OSError as error:
        raise OutputError(
            f"{str(folder)!r}: the run folder cannot be written ({error.strerror}); choose another with --runs_dir"
        ) from error
    return folder


def _trainer(cli: TrainCLI, folder: Path, kept: Kept | None, interrupt: Interrupt, start: Start) -> L.Trainer:
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
        SearchCurves([cli.datamodule.classes.index(name) for name in _target(cli)]),
        TrainingBar(),
    ]
    profiler = cli.config.trainer.profiler or TimeTable()
    validates_first = start.recipe == "fine_tune" and not kept  # the beginning may be the best of it
    first = {"num_sanity_val_steps": -1} if validates_first else {}
    return cli.instantiate_trainer(logger=logger, extra=callbacks, profiler=profiler, **first)


def _fit(trainer: L.Trainer, cli: TrainCLI, kept: Kept | None) -> str | None:
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
    if leads() and _is_start(trainer):
        return (
            "no epoch lowered the validation loss: the network is handed over as it began; a lower learning rate "
            "(--model.optimizer.init_args.lr) forgets less"
        )
    return None


def _is_start(trainer: L.Trainer) -> bool:
    """Whether the best checkpoint is of what the training began with."""
    return bool(getattr(trainer.checkpoint_callback, "is_start", False))


def _test(trainer: L.Trainer, cli: TrainCLI) -> dict[str, float]:
    """Metrics of the model as it is."""
    tested = trainer.test(cli.model, cli.datamodule, verbose=False)
    if not tested:
        raise UsageError("trainer: nothing was tested; raise limit_test_batches")
    return {name: float(value) for name, value in tested[0].items()}


def _validate(trainer: L.Trainer, cli: TrainCLI, start: Start, as_it_began: bool) -> Validation:
    """What the best checkpoint, whose weights the model then keeps, or the model as it is says of the val split."""
    if start.trains:
        if not getattr(trainer.checkpoint_callback, "best_model_path", ""):
            raise UsageError("trainer: no epoch was trained, validated and kept, so there is none to test; ask for one")
        trainer.validate(cli.model, cli.datamodule, ckpt_path="best", weights_only=True, verbose=False)
    return judge_by_features(cli) if as_it_began else Validation(*cli.model.judged())


def _show(trainer: L.Trainer, cli: TrainCLI, as_it_began: bool, model: Bundle, validation: Validation) -> None:
    """What TensorBoard shows at the end; the pictures in the order in which they were validated."""
    val = cli.datamodule.datasets["val"]
    engine, _ = open_engine(model, Path(trainer.log_dir or ""), "torch")
    kept = features_of_splits(cli, ["val"]).values if as_it_began else None

    def pictures(numbers: Sequence[int]) -> Tensor:
        return val.__getitems__(numbers)[0]

    def features(numbers: Sequence[int]) -> Tensor:
        return engine.ask(pictures(numbers)).features if kept is None else kept[list(numbers)]

    logger: Any = trainer.loggers[0]
    board = Board(logger.experiment, trainer.global_step)
    board.show(model, pictures, features, validation, _target(cli))


def _target(cli: TrainCLI) -> list[str]:
    return choose_watched(cli.datamodule.classes, cli.config.target)


def _log_hyperparameters(trainer: L.Trainer, cli: TrainCLI, metrics: dict[str, float]) -> None:
    flat: dict[str, Any] = {}
    for key, value in cli.config.items():
        if key.startswith(("data", "model")) or key in ("trainer.max_epochs", "trainer.precision"):
            flat[key] = value if isinstance(value, int | float | str | bool) else str(value)
    main = {name: metrics[name] for name in ("test/accuracy", "test/f1", "test/loss")}
    trainer.loggers[0].log_hyperparams(flat, {f"hparam/{name}": value for name, value in main.items()})
    trainer.loggers[0].finalize("success")
