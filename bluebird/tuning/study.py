"""Trials that are kept in a file, so that a search goes on where it was, however it was ended."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL, NullPool
from sqlalchemy.exc import SQLAlchemyError

from bluebird.errors import OutputError, UsageError
from bluebird.tuning.objective import Outcome

_NAME = "bluebird"
_MEDIAN_OF, _FIRST_EPOCH = 5, 3  # of fewer trials, or sooner, a median says little
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
_KILLED = "the process was killed in it, twice; was there enough memory?"


def open_study(path: Path, metric: str, prune: bool, settings: dict[str, Any]) -> optuna.Study:
    """The study in a file of SQLite's, new or begun before; trials that it was killed in are ended.

    Args:
        path: of the file.
        metric: what is searched for; a loss is to be low, anything else high.
        prune: end trials whose metric is worse than the median of earlier ones at that epoch, the third or a later one.
        settings: of the search, by name, as JSON holds them; those of a study that was begun must be the same.

    Raises:
        UsageError: it was begun with other settings.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=optuna.storages.RDBStorage(_url(path), {"poolclass": NullPool}),  # the file is let go of at the end
        study_name=_NAME,
        direction="minimize" if metric.endswith("loss") else "maximize",
        pruner=optuna.pruners.MedianPruner(_MEDIAN_OF, _FIRST_EPOCH) if prune else optuna.pruners.NopPruner(),
        load_if_exists=True,
    )
    _check_settings(study, path, settings)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _url(path: Path) -> str:
    """With what a URL would take for something else escaped."""
    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def _check_settings(study: optuna.Study, path: Path, settings: dict[str, Any]) -> None:
    before = study.user_attrs.get("settings")
    if before is None:
        study.set_user_attr("settings", settings)
        return
    for key in sorted(before.keys() | settings.keys()):
        if before.get(key) != settings.get(key):
            raise UsageError(
                f"{str(path.parent)!r}: its trials were made with {before.get(key)}, and now it is "
                f"{settings.get(key)} ({key}); leave it as it was, or choose another --out"
            )


def ask(study: optuna.Study, seed: int) -> optuna.Trial:
    """The next trial. Its draws depend on `seed` and on the trials that are finished, and on nothing else.

    A trial that was interrupted is thus drawn anew, and a search that goes on draws what it would have drawn.
    """
    state = np.random.SeedSequence([seed, len(finished(study))]).generate_state(1)
    study.sampler = optuna.samplers.TPESampler(seed=int(state[0]))
    return study.ask()


def settle(study: optuna.Study, trial: optuna.Trial, outcome: Outcome) -> None:
    """Keep how a trial ended."""
    if outcome.state == "failed":
        trial.set_user_attr("reason", outcome.reason)
    with warnings.catch_warnings():  # on a trial that was pruned before it told of a value
        warnings.simplefilter("ignore")
        study.tell(trial, outcome.value, _STATES[outcome.state])


def interrupt(study: optuna.Study, trial: optuna.Trial) -> None:
    """Keep that a trial was interrupted on purpose; it does not count."""
    trial.set_user_attr("interrupted", True)
    study.tell(trial, state=TrialState.FAIL)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that count: all but those that were interrupted.

    Nor does one count that the process was killed in; a second one, which drew the same, does, for the settings may
    take more memory than there is, and the system kills who asks for it.
    """
    counted, killed = [], set()
    for trial in study.trials:
        drawn = tuple(sorted(trial.params.items()))
        by_itself = trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or "reason" in trial.user_attrs
        by_force = trial.state is TrialState.FAIL and not by_itself and "interrupted" not in trial.user_attrs
        if by_itself or (by_force and drawn in killed):
            counted.append(trial)
        elif by_force:
            killed.add(drawn)
    return counted


def outcome_of(trial: FrozenTrial) -> Outcome:
    """How a finished trial ended."""
    if trial.state is TrialState.COMPLETE:
        return Outcome("complete", trial.value)
    if trial.state is TrialState.PRUNED:
        return Outcome("pruned")
    return Outcome("failed", reason=trial.user_attrs.get("reason", _KILLED))


def best_first(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that were completed; of equal ones the earlier first."""
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    sign = 1 if study.direction is optuna.study.StudyDirection.MINIMIZE else -1
    return sorted(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


@contextmanager
def kept_in(path: Path) -> Iterator[None]:
    """What SQLite says against the file of a study, as an `OutputError`."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        reason = getattr(cause, "orig", None) or cause
        raise OutputError(f"{str(path)!r}: cannot be used ({reason}); mend that, then run it again") from error
