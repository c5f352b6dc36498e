"""`bluebird train`: from labelled pictures to a tested model bundle."""

from __future__ import annotations

import copy
import json
import threading
from dataclasses import replace
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from bluebird.bundle import Validation, describe, save_bundle, versions
from bluebird.callbacks import Interrupt
from bluebird.cli.memory import keep_freed_memory
from bluebird.cli.mute import mute_lightning
from bluebird.cli.settings import refused_in_a_line
from bluebird.cli.training.calibrate import calibrated
from bluebird.cli.training.card import write_card, write_times
from bluebird.cli.training.find import find
from bluebird.cli.training.fitting import fit, is_start, make_trainer, test, validate
from bluebird.cli.training.launch import planned
from bluebird.cli.training.mishaps import memory_in_a_line
from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.ranks import alone, given_folder, in_rank, leads, one_at_a_time
from bluebird.cli.training.recipes import as_bundle, find_head, learn_val_too, measure, prepare
from bluebird.cli.training.resume import Kept, advice, check_settings, interruptible, read_kept, take_resume
from bluebird.cli.training.seeds import take_seeds, train_seeds
from bluebird.cli.training.shown import log_hyperparameters, show
from bluebird.cli.training.told import notes, report, said
from bluebird.errors import OutputError, UsageError
from bluebird.nets.summary import layer_table
from bluebird.pixels.room import make_room
from bluebird.report.card_facts import Made


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
    cli.watched()  # before anything is written: what is refused leaves the run as it was
    kept = _kept(cli, resumed) if resumed else None
    start = prepare(cli, anew=not kept)
    if cli.config.find:
        return _find(cli, resumed, arguments)
    launch = planned(cli)
    folder = _run_folder(cli, given_folder() or resumed)
    if launch:
        return launch.run(folder, given)
    if not kept:
        measure(cli)
    print(f"watch    tensorboard --logdir {folder.parent.parent}\nrun      {folder}\n", flush=True)
    print(f"{layer_table(cli.model.network)}\n")
    for note in [*notes(cli, resumed), *start.notes, *start.reasons]:
        print(f"note     {note}", flush=True)
    interrupt = Interrupt()
    trainer = make_trainer(cli, folder, kept, interrupt, start)
    made, learnt = list(start.reasons), ["train"]
    with interruptible(interrupt, lambda: advice(folder)), memory_in_a_line(cli):
        head = find_head(cli, start.recipe) if not kept and leads() else None  # the leader's weights become everybody's
        made += said(head.note if head else None)
        if start.trains:
            made += said(fit(trainer, cli, kept))
        trainer = alone(cli, trainer)
        if not leads():
            return 0
        as_it_began = not start.trains or is_start(trainer)
        validation = validate(trainer, cli, start, as_it_began)
        validated = calibrated(as_bundle(cli), validation)
        if as_it_began:
            validated = copy.deepcopy(validated)  # its network as it was judged
            if anew := said(learn_val_too(cli, start.recipe, head)):
                made, learnt = [*made, *anew], ["train", "val"]
        metrics = test(trainer, cli)
    bundle = replace(validated, network=cli.model.network, metrics=metrics)
    save_bundle(bundle, folder / "bundle")
    tested = Validation(*cli.model.judged())
    write_card(cli, bundle, tested, cli.watched(), arguments, Made(made, start.trains, learnt), folder / "bundle")
    show(trainer, cli, as_it_began, validated, validation)
    log_hyperparameters(trainer, cli, metrics)
    if table := write_times(trainer, folder):
        print(f"\n{table}")
    make_room(cli.datamodule.cache_dir)
    report(cli, folder, bundle)
    return 0


def _find(cli: TrainCLI, resumed: Path | None, arguments: list[str]) -> int:
    if resumed:
        raise UsageError("--find: looks before a training begins; leave out --resume")
    measure(cli)
    with memory_in_a_line(cli):
        return find(cli, cli.config.find, arguments)


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
