from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from bluebird.errors import OutputError, UsageError
from bluebird.tuning.objective import Outcome
from bluebird.tuning.study import ask, best_first, finished, interrupt, kept_in, open_study, outcome_of, settle

ENOUGH = 14  # trials; the sampler draws the first 10 at random


def _open(folder: Path, metric: str = "val/loss", prune: bool = True, **settings: Any) -> optuna.Study:
    return open_study(folder / "trials.sqlite", metric, prune, settings)


def _draw(trial: optuna.Trial) -> float:
    """The loss of a bowl whose lowest point is at (0.3, b)."""
    x = trial.suggest_float("x", 0, 1)
    return (x - 0.3) ** 2 + (trial.suggest_categorical("letter", ["a", "b"]) == "a")


def _go_on(study: optuna.Study, count: int = ENOUGH, seed: int = 0) -> None:
    while len(finished(study)) < count:
        trial = ask(study, seed)
        settle(study, trial, Outcome("complete", _draw(trial)))


def _course(study: optuna.Study) -> list[tuple[dict[str, Any], float | None]]:
    return [(trial.params, trial.value) for trial in finished(study)]


def test_a_search_that_was_killed_and_interrupted_draws_what_it_would_have_drawn(tmp_path: Path) -> None:
    odd = tmp_path / "o#d? 100%25 {x}"
    for folder in (odd, tmp_path / "two"):
        folder.mkdir()
    whole = _open(odd)
    _go_on(whole)
    for count in (3, 12):
        _go_on(_open(tmp_path / "two"), count)
        _draw(ask(_open(tmp_path / "two"), 0))  # and nobody tells how it ended
        study = _open(tmp_path / "two")
        trial = ask(study, 0)
        _draw(trial)
        interrupt(study, trial)
    broken = _open(tmp_path / "two")
    _go_on(broken)
    assert _course(broken) == _course(whole)
    assert len(broken.trials) == ENOUGH + 4
    assert len({str(course) for course in _course(whole)}) == ENOUGH
    assert [file.name for file in odd.iterdir()] == ["trials.sqlite"]


def test_another_seed_draws_otherwise(tmp_path: Path) -> None:
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        _go_on(_open(tmp_path / str(seed)), 1, seed)
    assert _course(_open(tmp_path / "0")) != _course(_open(tmp_path / "1"))


def test_settings_that_the_process_is_killed_in_twice_are_a_failed_trial(tmp_path: Path) -> None:
    for _ in range(2):
        assert not finished(_open(tmp_path))
        _draw(ask(_open(tmp_path), 0))
    (trial,) = finished(_open(tmp_path))
    assert outcome_of(trial).state == "failed"
    assert "killed" in outcome_of(trial).reason
    after = ask(_open(tmp_path), 0)
    _draw(after)
    assert after.params != trial.params


def test_a_trial_that_was_interrupted_on_purpose_never_counts(tmp_path: Path) -> None:
    study = _open(tmp_path)
    for _ in range(3):
        trial = ask(study, 0)
        _draw(trial)
        interrupt(study, trial)
    assert not finished(_open(tmp_path))


def test_ends_are_kept_with_their_reasons(tmp_path: Path) -> None:
    ends = [Outcome("complete", 0.5), Outcome("pruned"), Outcome("failed", reason="out of memory")]
    study = _open(tmp_path)
    for end in ends:
        settle(study, ask(study, 0), end)
    assert [outcome_of(trial) for trial in finished(_open(tmp_path))] == ends


@pytest.mark.parametrize(("metric", "order"), [("val/loss", [1, 0, 2, 3]), ("val/accuracy", [3, 0, 2, 1])])
def test_the_best_is_the_lowest_loss_or_the_highest_accuracy_and_of_equals_the_first(
    metric: str, order: list[int], tmp_path: Path
) -> None:
    study = _open(tmp_path, metric)
    for value in (0.5, 0.1, 0.5, 0.9):
        settle(study, ask(study, 0), Outcome("complete", value))
    assert [trial.number for trial in best_first(study)] == order


@pytest.mark.parametrize(("metric", "worse"), [("val/loss", 9.0), ("val/accuracy", -9.0)])
@pytest.mark.parametrize("prune", [True, False])
def test_what_is_worse_than_the_median_is_pruned_from_the_third_epoch_on(
    metric: str, worse: float, prune: bool, tmp_path: Path
) -> None:
    study = _open(tmp_path, metric, prune)
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        trial = ask(study, 0)
        for epoch in (1, 2, 3):
            trial.report(value, epoch)
            assert not trial.should_prune()
        settle(study, trial, Outcome("complete", value))
    said = []
    trial = ask(study, 0)
    for epoch in (1, 2, 3):
        trial.report(worse, epoch)
        said.append(trial.should_prune())
    assert said == [False, False, prune]


def test_other_settings_in_the_same_file_are_refused_and_named(tmp_path: Path) -> None:
    _open(tmp_path, lr=0.1, pictures="abc")
    _open(tmp_path, lr=0.1, pictures="abc")
    with pytest.raises(UsageError, match=r"were made with 0.1, and now it is 0.2 \(lr\)"):
        _open(tmp_path, lr=0.2, pictures="abc")


def test_a_file_that_is_no_database_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "trials.sqlite"
    path.write_text("mine\n" * 99)
    with pytest.raises(OutputError, match=r"trials.sqlite': cannot be used \(file is not a database\)"), kept_in(path):
        _open(tmp_path)
    assert path.read_text() == "mine\n" * 99
