"""How far a search has come: one bar over all trials, and a line for each that ended."""

from __future__ import annotations

import sys
import time

import optuna
from tqdm import tqdm

from bluebird.tuning.study import best_first, finished
from bluebird.tuning.table import trial_line


class TrialBar:
    """Writes to stderr: a bar where that is a terminal, and one line for each trial in any case.

    Args:
        study: whose trials are counted.
        wanted: how many trials there will be.
        metric: that the trials are judged by.
    """

    def __init__(self, study: optuna.Study, wanted: int, metric: str) -> None:
        self._study = study
        self._wanted = wanted
        self._metric = metric
        self._before = len(finished(study))
        self._began = time.monotonic()
        self._bar = tqdm(
            total=wanted,
            initial=self._before,
            unit=" trials",
            disable=None,  # off where stderr is no terminal
            dynamic_ncols=True,
            leave=False,
        )

    def note(self) -> None:
        """Say how the last trial ended."""
        trials = finished(self._study)
        here = len(trials) - self._before
        minutes = (time.monotonic() - self._began) / here / 60 * (self._wanted - len(trials))
        best = next((trial.value for trial in best_first(self._study)), None)
        line = trial_line(len(trials), self._wanted, trials[-1], self._metric, best, minutes)
        self._bar.write(line, file=sys.stderr)
        self._bar.update()

    def close(self) -> None:
        self._bar.close()
