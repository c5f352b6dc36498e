"""The trials of `bluebird tune`: each draws settings, trains as `bluebird train` would, is judged by the val split."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from optuna import Study, Trial
from optuna.exceptions import OptunaError

from bluebird.callbacks import EpochSeed, Interrupt
from bluebird.cli.memory import do_and_forget, keep_freed_memory
from bluebird.cli.mute import mute_lightning
from bluebird.cli.settings import refused_in_a_line
from bluebird.cli.training.devices import alone_on, own_device
from bluebird.cli.training.parser import ParsedConfig, TrainCLI
from bluebird.cli.training.recipes import find_head, measure, prepare
from bluebird.cli.training.resume import interruptible
from bluebird.cli.tuning.space import checked_space, settings_of
from bluebird.errors import OutputError, UsageError
from bluebird.files import write_whole
from bluebird.pixels.room import make_room
from bluebird.search.lock import Lock
from bluebird.tuning import study as studies
from bluebird.tuning.objective import EpochReport, attempt
from bluebird.tuning.progress import TrialBar
from bluebird.tuning.results import summary, write_plots, write_table
from bluebird.tuning.space import Space
from bluebird.tuning.study import best_first, finished, kept_in, open_study, outcome_of


@dataclass(frozen=True)
class _Search:
    """What is searched, by which trainings, and the trials so far."""

    options: Namespace
    training: list[str]
    space: Space
    study: Study


def search(options: Namespace, training: list[str]) -> None:
    """Make the trials that are missing, write down the result and print it.

    Args:
        options: space, trials, out, metric, seed and prune.
        training: the arguments of every training.
    """
    keep_freed_memory()
    mute_lightning()
    space = checked_space(options, training)
    path = options.out / "trials.sqlite"
    with _held(options.out), kept_in(path):
        study = open_study(path, options.metric, options.prune, settings_of(options, training, space))
        found = _Search(options, training, space, study)
        _go_through(found)
        _report(found)


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """The folder, made where there is none, for this process alone."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = Lock(out / ".lock")
    except OSError as error:
        raise OutputError(f"{str(out)!r}: cannot be written into ({error.strerror}); choose another --out") from error
    try:
        yield
    finally:
        lock.release()


def _go_through(search: _Search) -> None:
    """Make the trials that are missing, and write down after each what is known."""
    options, study = search.options, search.study
    interrupt = Interrupt()
    with (
        closing(TrialBar(study, options.trials, options.metric)) as bar,
        interruptible(interrupt, lambda: "the same command goes on"),
    ):
        while len(finished(study)) < options.trials:
            _try(search, interrupt)
            bar.note()
            write_table(study, search.space, options.metric, options.out)
            _write_best(search)
            interrupt.obey()


def _try(search: _Search, interrupt: Interrupt) -> None:
    """One trial, from its draw to its end."""
    trial = studies.ask(search.study, search.options.seed)
    settings = [f"--{key}={entry.draw(trial, key)}" for key, entry in search.space.items()]
    train = partial(_train, [*search.training, *settings], trial, search.options.metric, interrupt)
    try:
        outcome = do_and_forget(lambda: attempt(train))
    except BaseException:
        with suppress(OptunaError):  # of a full disk; the error on its way out says more
            studies.interrupt(search.study, trial)
        raise
    studies.settle(search.study, trial, outcome)


def _train(arguments: list[str], trial: Trial, metric: str, interrupt: Interrupt) -> float:
    """The metric of one training as `bluebird train` would make it; it writes nothing."""
    report = EpochReport(trial, metric)
    with refused_in_a_line():
        cli = TrainCLI(arguments)
        start = prepare(cli, anew=True)
        measure(cli)
        find_head(cli, start.recipe)
        callbacks = [interrupt, EpochSeed(cli.datamodule.seed), report]
        settings = alone_on(own_device(cli.config.trainer)) | start.first
        trainer = cli.instantiate_trainer(logger=False, enable_checkpointing=False, extra=callbacks, **settings)
        if start.trains:
            trainer.fit(cli.model, datamodule=cli.datamodule)
        else:
            trainer.validate(cli.model, cli.datamodule, verbose=False)
        make_room(cli.datamodule.cache_dir)
    return report.value()


def _write_best(search: _Search) -> None:
    """best.yaml, whole: the best trial's settings among those that all trials share."""
    for best in best_first(search.study)[:1]:
        settings = [f"--{key}={entry.word(best.params[key])}" for key, entry in search.space.items()]
        cli = ParsedConfig([*search.training, *settings])
        head = f"# {search.options.metric} {best.value:.4f} in trial {best.number} of bluebird tune\n\n"
        text = head + cli.parser.dump(cli.config, skip_none=False)
        write_whole(search.options.out / "best.yaml", text.encode())


def _report(search: _Search) -> None:
    """Write all of it, and say what was found."""
    options, study = search.options, search.study
    write_table(study, search.space, options.metric, options.out)
    if not best_first(study):
        raise UsageError(f"no trial was completed; the last one: {outcome_of(finished(study)[-1]).reason or 'pruned'}")
    _write_best(search)
    write_plots(study, search.space, options.metric, options.out)
    print("\n".join(summary(study, search.space, options.metric)))
    print(f"config   {options.out / 'best.yaml'}\nplots    {options.out / 'history.png'} {options.out / 'slices.png'}")
    print(f"train    bluebird train --config {options.out / 'best.yaml'}")
