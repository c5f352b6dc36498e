from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
import yaml

from bluebird.errors import UsageError
from bluebird.tuning.space import Choice, Range, Space, read_space

SPACE = """
lr: {low: 1e-4, high: 1e-1, log: true}
dropout: {low: 0, high: 0.5, step: 0.1}
layers: {low: 2, high: 8, step: 3}
epochs: {low: 1, high: 3}
batch: [64, 128]
widths: [[8, 16], null, true, 1, relu]
"""


def _read(text: str) -> Space:
    return read_space(yaml.safe_load(text), "s.yaml")


def _drawn(entry: Range | Choice, count: int = 200) -> list[str]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [entry.draw(study.ask(), "key") for _ in range(count)]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_a_number_without_a_point_is_a_number_though_yaml_takes_it_for_a_word() -> None:
    assert yaml.safe_load("1e-4") == "1e-4"
    assert _read(SPACE)["lr"] == Range(0.0001, 0.1, log=True)


def test_each_form_draws_all_that_it_may_be_and_nothing_else() -> None:
    space = _read(SPACE)
    assert set(_drawn(space["dropout"])) == {"0.0", "0.1", "0.2", "0.3", "0.4", "0.5"}
    assert set(_drawn(space["layers"])) == {"2", "5", "8"}
    assert set(_drawn(space["epochs"])) == {"1", "2", "3"}
    assert set(_drawn(space["batch"])) == {"64", "128"}
    assert set(_drawn(space["widths"])) == {"[8, 16]", "null", "true", "1", "relu"}


def test_a_logarithmic_range_has_as_many_draws_in_each_decade() -> None:
    exponents = [math.log10(float(word)) for word in _drawn(_read(SPACE)["lr"], 600)]
    assert all(-4 <= exponent <= -1 for exponent in exponents)
    for decade in (-4, -3, -2):  # 200 each, with a standard deviation of sqrt(600 * 1/3 * 2/3) = 11.5
        assert abs(sum(decade <= exponent < decade + 1 for exponent in exponents) - 200) < 46


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no space"),
        ("[1, 2]", "holds no space"),
        ("lr: 0.1", r"'s.yaml': lr is 0.1; expected a list of values, or \{low"),
        ("lr: []", "lr lists no value"),
        ("lr: [1, 2, 1]", "lr lists a value twice"),
        ("lr: {low: 1}", "lr lacks low or high"),
        ("lr: {low: 1, hihg: 2}", "lr holds 'hihg'"),
        ("lr: {low: 2, high: 1}", "lr goes from 2 to 1"),
        ("lr: {low: 1, high: 1}", "lr goes from 1 to 1"),
        ("lr: {low: 0, high: 1, log: true}", "lr begins at 0; with log"),
        ("lr: {low: 1, high: 9, log: true, step: 1}", "both step and log"),
        ("lr: {low: 1, high: 9, step: 0}", "lr.step is 0"),
        ("lr: {low: 1, high: 9, step: 10}", "lr.step is 10"),
        ("lr: {low: one, high: 9}", "lr.low is 'one'; expected a finite number"),
        ("lr: {low: true, high: 9}", "lr.low is True; expected a finite number"),
        ("lr: {low: 0, high: .inf}", "lr.high is inf; expected a finite number"),
        ("lr: {low: 0, high: [1]}", r"lr.high is \[1\]; expected a finite number"),
        ("lr: {low: 0, high: 1, log: 3}", "lr.log is 3; expected true or false"),
    ],
)
def test_what_is_no_space_is_refused_with_the_form_that_is_one(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        _read(text)


@pytest.mark.parametrize("value", [None, 3.5, "word", {}, {"low": None, "high": 1}])
def test_odd_values_are_refused_and_never_crash(value: Any) -> None:
    with pytest.raises(UsageError, match="key"):
        read_space({"key": value}, "s.yaml")
