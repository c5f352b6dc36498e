"""What a search leaves behind: a table of all trials, two plots, and the best trials for the terminal."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import optuna
from matplotlib.figure import Figure

from bluebird.files import write_whole
from bluebird.tuning.plots import draw_history, draw_slices
from bluebird.tuning.space import Space
from bluebird.tuning.study import best_first, finished, outcome_of
from bluebird.tuning.table import best_lines, trials_csv

_SHOWN = 10
_DPI = 120


def write_table(study: optuna.Study, space: Space, metric: str, out: Path) -> None:
    """Put trials.csv into `out`: the trials that are finished.

    Raises:
        OutputError: it cannot be written.
    """
    write_whole(out / "trials.csv", trials_csv(finished(study), metric, space))


def write_plots(study: optuna.Study, space: Space, metric: str, out: Path) -> None:
    """Put history.png and slices.png into `out`, of a study with a completed trial.

    Raises:
        OutputError: they cannot be written.
    """
    for name, figure in (
        ("history.png", draw_history(study, metric)),
        ("slices.png", draw_slices(study, space, metric)),
    ):
        write_whole(out / name, _png(figure))


def summary(study: optuna.Study, space: Space, metric: str) -> list[str]:
    """How the trials ended, and the best of them in columns."""
    trials = finished(study)
    ends = Counter(outcome_of(trial).state for trial in trials)
    counts = ", ".join(f"{ends[state]} {state}" for state in ("complete", "pruned", "failed") if ends[state])
    best = best_first(study)
    lines = [f"{len(trials)} trials: {counts}", "", *best_lines(best[:_SHOWN], metric, list(space)), ""]
    if len(best) > 1 and best[0].value == best[-1].value:
        lines += [
            f"note     all {len(best)} complete trials have the same {metric}: what was searched makes no "
            "difference here (of a recipe that trains nothing, an optimiser's settings)",
            "",
        ]
    return lines


def _png(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=_DPI)
    return data.getvalue()
