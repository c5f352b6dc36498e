"""A search as plots: how it went, and what each setting did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from matplotlib.figure import Figure
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FrozenTrial

from bluebird.tuning.space import Choice, Range, Space
from bluebird.tuning.study import best_first, finished, outcome_of
from bluebird.tuning.table import short_names
from bluebird.watch.plot import BLUE, GREY, INK, RUST, plot

_COLUMNS = 3
_LEAST_TRIALS = 10  # for an importance; of fewer it would be a guess
_LETTERS = 14  # of a value, along an axis


def draw_history(study: optuna.Study, metric: str) -> Figure:
    """The metric of each finished trial, in their order, with the best so far; what has none is marked at the edge."""
    figure, axes = plot("How the search went", "finished trials", metric)
    ends = [(n, outcome_of(trial)) for n, trial in enumerate(finished(study), 1)]
    complete = [(n, end.value) for n, end in ends if end.value is not None]
    numbers, values = (np.array(column, float) for column in zip(*complete, strict=True))
    better = np.minimum if study.direction is optuna.study.StudyDirection.MINIMIZE else np.maximum
    axes.plot(numbers, values, "o", color=BLUE, markersize=4, label="completed")
    best = better.accumulate(values)
    axes.step([*numbers, len(ends)], [*best, best[-1]], where="post", color=INK, label="best so far")
    for state, marker, colour in (("pruned", "|", GREY), ("failed", "x", RUST)):
        at = [n for n, end in ends if end.state == state]
        if at:
            edge = axes.get_xaxis_transform()
            axes.plot(at, [0.02] * len(at), marker, color=colour, linestyle="", transform=edge, label=state)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    return figure


def draw_slices(study: optuna.Study, space: Space, metric: str) -> Figure:
    """The metric of completed trials against each setting, the most important first; the best trial is marked."""
    weights = importances(study)
    keys = sorted(space, key=lambda key: -weights.get(key, 0.0))
    rows = math.ceil(len(keys) / _COLUMNS)
    columns = min(len(keys), _COLUMNS)
    figure = Figure(figsize=(1.2 + 3.3 * columns, 3.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    best = best_first(study)
    for axes, key, name in zip(grid, keys, short_names(keys), strict=False):
        _slice(axes, best, key, space[key])
        share = f"  importance {weights[key]:.0%}" if key in weights else ""
        axes.set_title(name + share, loc="left", color=INK, fontsize=10)
    figure.suptitle("What each setting did (large: the best trial)", x=0.01, ha="left", color=INK)
    for axes in grid[::columns]:
        axes.set_ylabel(metric)
    for axes in grid[len(keys) :]:
        axes.set_visible(False)
    return figure


def importances(study: optuna.Study) -> dict[str, float]:
    """The share of the metric's variance over the space that each setting explains; empty for a few trials.

    Source: Hutter, Hoos & Leyton-Brown 2014, functional ANOVA of a random forest, by Optuna. Its default, PED-ANOVA,
    takes a setting for unimportant as soon as the search has settled on it.
    """
    values = [trial.value for trial in best_first(study)]
    if len(values) < _LEAST_TRIALS or values[0] == values[-1]:
        return {}
    weights = optuna.importance.get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {key: float(weight) for key, weight in weights.items()}


def _slice(axes: Any, trials: Sequence[FrozenTrial], key: str, entry: Range | Choice) -> None:
    drawn = [(trial.params[key], trial.value) for trial in trials if key in trial.params]
    if isinstance(entry, Choice):
        places = {word: place for place, word in enumerate(entry.values)}
        drawn = [(places[word], value) for word, value in drawn]
        axes.set_xticks(range(len(places)), [_cut(word) for word in places])
        axes.set_xlim(-0.5, len(places) - 0.5)
    else:
        axes.set_xscale("log" if entry.log else "linear")
        axes.set_xlim(*_room(entry))
    at, values = zip(*drawn, strict=True)
    axes.plot(at, values, "o", color=BLUE, markersize=4, alpha=0.6)
    axes.plot(at[:1], values[:1], "o", color=RUST, markersize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _room(entry: Range) -> tuple[float, float]:
    """The whole range, and a little on both sides."""
    if entry.log:
        margin = (entry.high / entry.low) ** 0.03
        return entry.low / margin, entry.high * margin
    margin = 0.03 * (entry.high - entry.low)
    return entry.low - margin, entry.high + margin


def _cut(word: str) -> str:
    """A value of which there is room for the end alone, as of a class."""
    return word if len(word) <= _LETTERS else f"…{word[1 - _LETTERS :]}"
