from __future__ import annotations

import csv
import gc
import json
import math
import shutil
import statistics
import weakref
from pathlib import Path

import lightning as L
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import average_precision_score

from bluebird.cli.train import run
from bluebird.cli.training.seeds import figures_of, summary, table, take_seeds, train_seeds
from bluebird.errors import BluebirdError, UsageError
from bluebird.nets import Network
from bluebird.pixels.datamodule import BirdData
from tests.conftest import MakeFolder, small_run, write_folder

SEEDS = [0, 1]

pytestmark = pytest.mark.filterwarnings("ignore")  # as the command line has it: libraries advise programmers


@pytest.fixture(scope="module")
def trained_seeds(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """The arguments of a training, and the folder with two seeds of it."""
    base = tmp_path_factory.mktemp("seeds")
    arguments = small_run(write_folder(base / "birds", 14, ("blue", "red")), base / "runs")
    assert train_seeds(arguments, SEEDS, run) == 0
    return arguments, base / "runs" / "small"


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "bundle" / "model.safetensors")


def test_a_seed_among_others_gives_the_numbers_that_it_gives_alone(
    trained_seeds: tuple[list[str], Path], tmp_path: Path
) -> None:
    arguments, folder = trained_seeds
    assert run([*arguments, "--runs_dir", str(tmp_path), "--seed_everything", "1"]) == 0
    alone, among = tmp_path / "small" / "version_0", folder / "seed_1" / "version_0"
    assert all(torch.equal(value, _weights(among)[key]) for key, value in _weights(alone).items())
    cards = [json.loads((path / "bundle" / "model.json").read_text()) for path in (alone, among)]
    assert cards[0]["metrics"] == cards[1]["metrics"]
    other = _weights(folder / "seed_0" / "version_0")
    assert not torch.equal(other["head.weight"], _weights(alone)["head.weight"])


def _living() -> list[object]:
    return [one for one in gc.get_objects() if isinstance(one, L.Trainer | BirdData | Network)]


def test_nothing_of_a_seed_is_held_while_the_next_learns(make_folder: MakeFolder, tmp_path: Path) -> None:
    made: list[weakref.ref[object]] = []
    held: list[list[str]] = []

    def train(arguments: list[str]) -> int:
        held.append([type(one).__name__ for ref in made if (one := ref()) is not None])
        before = _living()
        code = run(arguments)
        made[:] = [weakref.ref(one) for one in _living() if not any(one is other for other in before)]
        return code

    assert train_seeds(small_run(make_folder(), tmp_path / "runs"), SEEDS, train) == 0
    assert made
    assert held == [[], []]


def test_mean_and_deviation_are_those_of_the_test_metrics(trained_seeds: tuple[list[str], Path]) -> None:
    _, folder = trained_seeds
    kept = json.loads((folder / "seeds.json").read_text())
    cards = [json.loads((folder / f"seed_{seed}/version_0/bundle/model.json").read_text()) for seed in SEEDS]
    assert {"test/accuracy", "test/f1", "test/loss", "val/average_precision"} <= kept["mean"].keys()
    for name in ("test/accuracy", "test/loss"):
        values = [card["metrics"][name] for card in cards]
        assert kept["mean"][name] == pytest.approx(statistics.mean(values))
        assert kept["std"][name] == pytest.approx(statistics.stdev(values))
    rows = list(csv.DictReader((folder / "seeds.csv").open()))
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert [float(row["test/loss"]) for row in rows] == [card["metrics"]["test/loss"] for card in cards]


def test_the_average_precision_of_the_target_is_that_of_scikit_learn(trained_seeds: tuple[list[str], Path]) -> None:
    _, folder = trained_seeds
    path = folder / "seed_0" / "version_0"
    said = load_file(path / "bundle" / "validation.safetensors")
    gap = said["logits"].double()[:, 0] - said["logits"].double()[:, 1]  # of two classes it orders as the softmax does
    expected = average_precision_score(said["targets"].numpy() == 0, gap.numpy())
    assert figures_of(path, "blue")["val/average_precision"] == pytest.approx(expected)
    assert "val/average_precision" not in figures_of(path, "sparrow")


def test_the_same_command_goes_on_with_what_is_missing_and_leaves_the_rest(
    trained_seeds: tuple[list[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, folder = trained_seeds
    again = Path(shutil.copytree(folder, tmp_path / "small"))
    arguments = [*arguments, "--runs_dir", str(tmp_path)]
    for config in again.rglob("config.yaml"):
        config.write_text(config.read_text().replace(str(folder.parent), str(tmp_path)))
    shutil.rmtree(again / "seed_1" / "version_0" / "bundle")  # as if it had been killed before its end
    before = (again / "seed_0" / "version_0" / "bundle" / "model.json").stat().st_mtime_ns
    assert train_seeds(arguments, SEEDS, run) == 0
    assert (again / "seed_0" / "version_0" / "bundle" / "model.json").stat().st_mtime_ns == before
    assert (again / "seeds.csv").read_text() == (folder / "seeds.csv").read_text()
    out = capsys.readouterr().out
    assert f"done     {again / 'seed_0' / 'version_0'}" in out
    assert "each seed drew its own splits" in out


def test_seeds_of_other_settings_are_refused_before_anything_is_trained(
    trained_seeds: tuple[list[str], Path],
) -> None:
    arguments, _ = trained_seeds
    with pytest.raises(UsageError, match="another training, which differs in model; choose another --name"):
        train_seeds([*arguments, "--model.warmup", "0.3"], SEEDS, run)


def test_a_seed_that_fails_is_named_and_one_that_is_stopped_says_how_to_go_on(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    arguments = small_run(make_folder(), tmp_path / "runs")

    def fail(_: list[str]) -> int:
        raise UsageError("no room")

    def stop(_: list[str]) -> int:
        raise KeyboardInterrupt("interrupted; go on with: --resume RUN")

    with pytest.raises(BluebirdError, match="seed 4: no room; seeds that are done are kept"):
        train_seeds(arguments, [4], fail)
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        train_seeds(arguments, [4], stop)


@pytest.mark.parametrize(
    ("given", "seeds"), [("3", [0, 1, 2]), ("1", [0]), ("0,1,5", [0, 1, 5]), ("7,", [7])]
)  # fmt: skip
def test_seeds_are_told_by_how_many_or_which(given: str, seeds: list[int]) -> None:
    assert take_seeds(["--name", "x", "--seeds", given, "--data.root=a"]) == (seeds, ["--name", "x", "--data.root=a"])
    assert take_seeds([f"--seeds={given}"]) == (seeds, [])
    assert take_seeds(["--name", "x"]) == ([], ["--name", "x"])


@pytest.mark.parametrize("given", ["0", "-1", "many", "1,1", ",", "1,-2", "1.5", ""])
def test_what_are_no_seeds_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--seeds"):
        take_seeds(["--seeds", given])


@pytest.mark.parametrize("option", ["--seed_everything", "--resume", "--find"])
def test_options_about_one_training_do_not_go_with_several(option: str) -> None:
    with pytest.raises(UsageError, match=f"cannot go with {option}"):
        take_seeds(["--seeds", "3", option, "1"])


def test_the_deviation_has_n_minus_1_below_it_and_of_one_seed_there_is_none() -> None:
    assert summary({0: {"a": 1.0}, 1: {"a": 2.0}, 2: {"a": 6.0}})["a"] == pytest.approx((3.0, math.sqrt(7)))
    mean, std = summary({5: {"a": 1.0}})["a"]
    assert mean == 1
    assert math.isnan(std)


def test_the_table_shows_what_all_seeds_have() -> None:
    text = table({0: {"test/loss": 0.5, "val/average_precision": 0.9}, 11: {"test/loss": 0.7}})
    head, *lines = text.splitlines()
    assert head.split() == ["mean", "std", "seed", "0", "seed", "11"]
    assert [line.split() for line in lines] == [["test/loss", "0.6000", "0.1414", "0.5000", "0.7000"]]
