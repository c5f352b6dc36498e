from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import optuna
import pytest
from PIL import Image

from bluebird.tuning.objective import Outcome
from bluebird.tuning.plots import draw_history, draw_slices, importances
from bluebird.tuning.results import summary, write_plots, write_table
from bluebird.tuning.space import Choice, Range, Space
from bluebird.tuning.study import ask, finished, open_study, settle
from bluebird.tuning.table import short_names, trial_line

SPACE: Space = {"net.lr": Range(1e-4, 1.0, log=True), "data.size": Choice(("64", "a very long value indeed"))}
ENDS = [Outcome("complete", 0.5), Outcome("pruned"), Outcome("complete", 0.25), Outcome("failed", reason="no, memory")]


def _study(folder: Path, ends: list[Outcome]) -> optuna.Study:
    study = open_study(folder / "trials.sqlite", "val/loss", True, {})
    for end in ends:
        trial = ask(study, 0)
        for key, entry in SPACE.items():
            entry.draw(trial, key)
        trial.report(end.value or 0.0, 1)
        settle(study, trial, end)
    return study


def test_the_table_holds_every_trial_with_its_end(tmp_path: Path) -> None:
    study = _study(tmp_path, ENDS)
    write_table(study, SPACE, "val/loss", tmp_path)
    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["complete", "pruned", "complete", "failed"]
    assert [row["val/loss"] for row in rows] == ["0.5", "", "0.25", ""]
    assert [row["reason"] for row in rows] == ["", "", "", "no, memory"]
    assert [float(row["net.lr"]) for row in rows] == [trial.params["net.lr"] for trial in study.trials]
    assert {row["epochs"] for row in rows} == {"1"}


def test_the_summary_counts_the_ends_and_shows_the_best_first(tmp_path: Path) -> None:
    lines = summary(_study(tmp_path, ENDS), SPACE, "val/loss")
    assert lines[0] == "4 trials: 2 complete, 1 pruned, 1 failed"
    assert lines[2].split()[:5] == ["trial", "val/loss", "epochs", "lr", "size"]
    assert [line.split()[:2] for line in lines[3:5]] == [["2", "0.2500"], ["0", "0.5000"]]


def test_the_summary_says_where_all_trials_tie(tmp_path: Path) -> None:
    tied = [Outcome("complete", 0.5), Outcome("pruned"), Outcome("complete", 0.5)]
    note = "note     all 2 complete trials have the same val/loss"
    (tmp_path / "tied").mkdir()
    assert any(line.startswith(note) for line in summary(_study(tmp_path / "tied", tied), SPACE, "val/loss"))
    assert not any(line.startswith("note") for line in summary(_study(tmp_path, ENDS), SPACE, "val/loss"))
    (tmp_path / "single").mkdir()
    assert not any(
        line.startswith("note") for line in summary(_study(tmp_path / "single", tied[:1]), SPACE, "val/loss")
    )


def test_the_history_draws_the_trials_and_the_best_so_far(tmp_path: Path) -> None:
    (axes,) = draw_history(_study(tmp_path, ENDS), "val/loss").axes
    lines = {str(line.get_label()): line for line in axes.lines}
    np.testing.assert_array_equal(lines["completed"].get_xydata(), [[1, 0.5], [3, 0.25]])
    np.testing.assert_array_equal(lines["best so far"].get_xydata(), [[1, 0.5], [3, 0.25], [4, 0.25]])
    assert list(lines["pruned"].get_xdata()) == [2]  # type: ignore[arg-type]
    assert list(lines["failed"].get_xdata()) == [4]  # type: ignore[arg-type]


def test_a_setting_that_alone_decides_is_the_most_important_one(tmp_path: Path) -> None:
    study = open_study(tmp_path / "trials.sqlite", "val/loss", True, {})
    for _ in range(30):
        trial = ask(study, 0)
        lr = float(SPACE["net.lr"].draw(trial, "net.lr"))
        SPACE["data.size"].draw(trial, "data.size")
        settle(study, trial, Outcome("complete", math.log10(lr) ** 2))
    weights = importances(study)
    assert weights["net.lr"] > 0.9
    assert sum(weights.values()) == pytest.approx(1)
    titles = [axes.get_title("left") for axes in draw_slices(study, SPACE, "val/loss").axes]
    assert titles[0] == f"lr  importance {weights['net.lr']:.0%}"
    assert titles[1].startswith("size  importance ")


def test_a_setting_that_the_search_has_settled_on_stays_important(tmp_path: Path) -> None:
    study = open_study(tmp_path / "trials.sqlite", "val/loss", True, {})
    for _ in range(30):
        trial = ask(study, 0)
        lr = float(SPACE["net.lr"].draw(trial, "net.lr"))
        is_long = SPACE["data.size"].draw(trial, "data.size") != "64"
        settle(study, trial, Outcome("complete", 4 * is_long + (math.log10(lr) + 2) ** 2))
    # variance over the space: 4^2 / 4 = 4 of the one, 16 * (1/5 - 1/9) = 1.4 of the other
    assert list(importances(study)) == ["data.size", "net.lr"]


def test_a_few_trials_or_equal_ones_have_no_importances(tmp_path: Path) -> None:
    (tmp_path / "equal").mkdir()
    assert importances(_study(tmp_path, ENDS)) == {}
    assert importances(_study(tmp_path / "equal", [Outcome("complete", 1.0)] * 12)) == {}


def test_the_plots_of_a_single_trial_are_pictures(tmp_path: Path) -> None:
    write_plots(_study(tmp_path, ENDS[:1]), SPACE, "val/loss", tmp_path)
    for name in ("history.png", "slices.png"):
        with Image.open(tmp_path / name) as picture:
            picture.load()
            assert picture.width > 600


def test_names_are_short_where_that_is_enough() -> None:
    assert short_names(["a.lr", "b.dropout", "c.dropout"]) == ["lr", "b.dropout", "c.dropout"]


def test_a_line_says_how_a_trial_ended_and_how_long_the_rest_takes(tmp_path: Path) -> None:
    trials = finished(_study(tmp_path, ENDS))
    assert trial_line(1, 10, trials[0], "val/loss", 0.5, 2.25).startswith(" 1/10  trial 0  val/loss 0.5000  lr=")
    assert trial_line(1, 10, trials[0], "val/loss", 0.5, 2.25).endswith("best 0.5000  2.2 min left")
    assert "pruned after 1 epoch " in trial_line(2, 10, trials[1], "val/loss", None, 0)
    assert "failed: no, memory" in trial_line(4, 10, trials[3], "val/loss", None, 0)
