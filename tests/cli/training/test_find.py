from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from bluebird.cli import main
from bluebird.cli.training.find import find
from bluebird.cli.training.find_batch_size import Tried, find_batch_size, quickest
from bluebird.cli.training.find_lr import RangeTest, find_lr, smooth, suggest
from bluebird.cli.training.parser import TrainCLI
from bluebird.errors import OutputError, TrainingError, UsageError
from tests.conftest import MakeFolder, small_run

pytestmark = pytest.mark.filterwarnings("ignore")  # as the command line has it: libraries advise programmers


def test_smoothing_leaves_a_straight_line_where_it_is_and_takes_noise_away() -> None:
    line = np.linspace(3, 1, 60)
    np.testing.assert_allclose(
        np.array(smooth(line.tolist()))[20:40], line[20:40], atol=1e-6
    )  # no lag, as a running mean would have
    noise = np.random.default_rng(0).normal(0, 1, 400)
    bell = np.exp(-0.5 * (np.arange(-40, 41) / 4) ** 2)
    expected = np.convolve(noise, bell / bell.sum(), "valid")
    np.testing.assert_allclose(np.array(smooth(noise.tolist()))[40:-40], expected, atol=1e-9)


def test_the_suggestion_lies_where_nine_tenths_of_the_fall_are_done() -> None:
    lrs = np.geomspace(1e-4, 1, 13).tolist()
    losses = [3.0, 3.0, 3.0, 2.8, 2.4, 2.0, 1.6, 1.3, 1.15, 1.0, 1.2, 2.0, 9.0]  # nine tenths of 3 to 1: 1.2
    assert suggest(lrs, losses) == lrs[8]
    bumped = [*losses[:8], 1.15, 1.5, 1.1, 1.0, 9.0]  # what it comes back from does not count
    assert suggest(lrs, bumped) == lrs[10]


@pytest.mark.parametrize("losses", [[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [1.0, 0.995, 5.0]])
def test_a_loss_that_falls_nowhere_is_said(losses: list[float]) -> None:
    with pytest.raises(TrainingError, match="the loss falls at no learning rate"):
        suggest([0.1, 1.0, 10.0], losses)


class Rates(L.Callback):
    """Notes the learning rates that the optimiser steps with."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def on_before_optimizer_step(self, trainer: L.Trainer, *_: Any) -> None:
        self.seen.append([group["lr"] for group in trainer.optimizers[0].param_groups])


def _two_rates(groups: Iterable[Any]) -> torch.optim.Optimizer:
    first, second = groups
    return torch.optim.SGD([first | {"lr": 0.2}, second | {"lr": 0.05}])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_rate_rises_by_a_factor_and_groups_keep_their_ratio(
    accumulate: int, make_folder: MakeFolder, tmp_path: Path
) -> None:
    cli = TrainCLI(small_run(make_folder(20), tmp_path / "runs"))
    cli.model.make_optimizer = _two_rates
    rates, test = Rates(), RangeTest(1e-5, 1e-2, 7)
    trainer = L.Trainer(max_steps=7, max_epochs=-1, accelerator="cpu", logger=False, enable_checkpointing=False,
                        limit_val_batches=0, accumulate_grad_batches=accumulate, callbacks=[rates, test],
                        enable_progress_bar=False, default_root_dir=tmp_path)  # fmt: skip
    trainer.fit(cli.model, datamodule=cli.datamodule)
    expected = 10 ** np.linspace(-5, -2, 7)
    np.testing.assert_allclose(rates.seen, np.stack([expected, expected / 4], 1))
    np.testing.assert_allclose(test.lrs, expected)
    assert len(test.losses) == 7
    assert 0.2 < test.losses[0] < 2  # cross entropy of two classes is near log 2, in halves or whole


def test_a_test_ends_where_the_loss_is_lost(make_folder: MakeFolder, tmp_path: Path) -> None:
    run = [*small_run(make_folder(), tmp_path / "runs"), "--model.optimizer", "torch.optim.SGD"]
    cli = TrainCLI([*run, "--model.optimizer.init_args.lr", "1"])
    test = RangeTest(1e-3, 1e30, 30)
    trainer = cli.instantiate_trainer([], logger=False, enable_checkpointing=False, max_epochs=-1, max_steps=30,
                                      limit_val_batches=0, callbacks=[])  # fmt: skip
    trainer.callbacks = [test]  # type: ignore[attr-defined]
    trainer.fit(cli.model, datamodule=cli.datamodule)
    assert len(test.losses) < 30
    assert not test.losses[-1] <= 4 * test.losses[0]
    assert max(test.losses[:-1]) <= 4 * test.losses[0]


def test_the_found_rate_trains_better_than_much_lower_and_much_higher_ones(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder(40)
    for number in range(0, 40, 4):  # wrong labels: where all are right, any rate learns them
        (root / "blue" / f"{number:03}.png").rename(root / "red" / f"was_blue_{number}.png")
        (root / "red" / f"{number:03}.png").rename(root / "blue" / f"was_red_{number}.png")
    run = small_run(root, tmp_path / "runs")
    lr, figure = find_lr(TrainCLI(run))
    assert isinstance(figure, Figure)
    losses = {}
    for factor in (1e-3, 1, 1e3):
        cli = TrainCLI([*run, "--model.optimizer.init_args.lr", str(lr * factor)])
        trainer = cli.instantiate_trainer([], logger=False, enable_checkpointing=False)
        trainer.fit(cli.model, datamodule=cli.datamodule)
        losses[factor] = float(trainer.callback_metrics["val/loss"])
    assert losses[1] == min(losses.values())


def test_what_is_said_is_a_command_that_trains_and_the_finder_writes_only_its_curve(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*small_run(make_folder(name="my birds"), tmp_path / "runs"), "--find", "lr"]
    assert find(TrainCLI(arguments[:-2]), "lr", arguments) == 0
    said = capsys.readouterr().out.splitlines()
    curve = tmp_path / "runs" / "small" / "lr_finder.png"
    assert [file for file in (tmp_path / "runs").rglob("*") if file.is_file()] == [curve]
    assert Image.open(curve).size == (840, 528)
    bluebird, train, *rest = shlex.split(said[-1].removeprefix("train    "))
    assert (bluebird, train) == ("bluebird", "train")
    assert rest[-2].startswith("--model.optimizer.init_args.lr") or "=" in rest[-1]
    assert "--find" not in rest
    assert main(["train", *rest, "--trainer.max_epochs", "1"]) == 0


def test_the_same_command_finds_the_same_rate(make_folder: MakeFolder, tmp_path: Path) -> None:
    run = small_run(make_folder(), tmp_path / "runs")
    several = ["--trainer.strategy", "ddp", "--trainer.devices", "2"]  # one is enough to find out
    assert find_lr(TrainCLI(run))[0] == find_lr(TrainCLI([*run, *several]))[0]


def test_a_rate_of_0_and_a_folder_in_the_way_are_refused(make_folder: MakeFolder, tmp_path: Path) -> None:
    run = small_run(make_folder(), tmp_path / "runs")
    with pytest.raises(UsageError, match=r"lr is 0\.0; expected a number above 0"):
        find(TrainCLI([*run, "--model.optimizer.init_args.lr", "0"]), "lr", [])
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(OutputError, match=r"lr_finder\.png"):
        find(TrainCLI(run), "lr", [])


def test_sizes_double_as_long_as_an_epoch_has_16_steps(make_folder: MakeFolder, tmp_path: Path) -> None:
    cli = TrainCLI([*small_run(make_folder(200), tmp_path / "runs"), "--model.network", "bluebird.nets.MLP",
                    "--model.network.init_args.widths", "[4]"])  # fmt: skip
    assert len(cli.datamodule.datasets["train"]) == 280
    tried, beyond = find_batch_size(cli)
    assert [one.batch_size for one in tried] == [8, 16]
    assert beyond is None
    assert all(one.pictures_per_second > 0 and one.memory == 0 and one.device == "cpu" for one in tried)
    assert cli.datamodule.batch_size == 8  # as before


def test_the_smallest_of_those_that_are_nearly_as_quick_is_taken() -> None:
    tried = [Tried(8, "cpu", 50.0, 0), Tried(16, "cpu", 96.0, 0), Tried(32, "cpu", 100.0, 0), Tried(64, "cpu", 90.0, 0)]
    assert quickest(tried).batch_size == 16
