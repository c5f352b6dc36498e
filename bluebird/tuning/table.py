"""Trials as a table: a CSV file of all, lines of the best for the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from optuna.trial import FrozenTrial

from bluebird.tuning.objective import Outcome
from bluebird.tuning.space import Space
from bluebird.tuning.study import outcome_of


def trials_csv(trials: Sequence[FrozenTrial], metric: str, space: Space) -> bytes:
    """A row for each trial: trial,state,METRIC,epochs,seconds,reason and the settings; empty where there is nothing."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["trial", "state", metric, "epochs", "seconds", "reason", *space])
    for trial in trials:
        end = outcome_of(trial)
        seconds = "" if trial.duration is None else f"{trial.duration.total_seconds():.1f}"
        settings = [entry.word(trial.params[key]) if key in trial.params else "" for key, entry in space.items()]
        value = "" if end.value is None else end.value
        rows.writerow([trial.number, end.state, value, len(trial.intermediate_values), seconds, end.reason, *settings])
    return text.getvalue().encode()


def best_lines(trials: Sequence[FrozenTrial], metric: str, keys: Sequence[str]) -> list[str]:
    """The trials in columns under their heads, which are the last words of the settings' keys."""
    heads = ["trial", metric, "epochs", *short_names(keys)]
    rows = [
        [str(trial.number), f"{trial.value:.4f}", str(len(trial.intermediate_values)), *_settings(trial, keys)]
        for trial in trials
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = (zip(row, widths, strict=True) for row in [heads, *rows])
    return ["  ".join(word.rjust(width) for word, width in line) for line in lines]


def trial_line(number: int, wanted: int, trial: FrozenTrial, metric: str, best: float | None, minutes: float) -> str:
    """What a person is told of a trial that ended: the how-manieth, its number, its end, the best so far, minutes."""
    end = _end(outcome_of(trial), len(trial.intermediate_values), metric)
    head = f"{number:>{len(str(wanted))}}/{wanted}  trial {trial.number}  {end}"
    settings = "  ".join(f"{name}={_short(trial.params[key])}" for name, key in _named(trial))
    parts = [head, settings, "" if best is None else f"best {best:.4f}", f"{minutes:.1f} min left" if minutes else ""]
    return "  ".join(part for part in parts if part)


def short_names(keys: Sequence[str]) -> list[str]:
    """The last word of each key; the whole key where another has the same last word."""
    last = [key.rpartition(".")[2] for key in keys]
    return [word if last.count(word) == 1 else key for word, key in zip(last, keys, strict=True)]


def _end(end: Outcome, epochs: int, metric: str) -> str:
    if end.value is not None:
        return f"{metric} {end.value:.4f}"
    return f"pruned after {epochs} epoch{'s' * (epochs != 1)}" if end.state == "pruned" else f"failed: {end.reason}"


def _named(trial: FrozenTrial) -> list[tuple[str, str]]:
    keys = list(trial.params)
    return list(zip(short_names(keys), keys, strict=True))


def _settings(trial: FrozenTrial, keys: Sequence[str]) -> list[str]:
    return [_short(trial.params.get(key, "")) for key in keys]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
