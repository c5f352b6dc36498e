from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from torch import Tensor

from bluebird.cli.training.finite_loss import FiniteLoss, finite_loss
from bluebird.cli.training.parser import TrainCLI
from bluebird.errors import TrainingError
from tests.conftest import MakeFolder, small_run

pytestmark = pytest.mark.filterwarnings("ignore")  # as the command line has it: libraries advise programmers

STILL = ["--model.optimizer", "torch.optim.SGD", "--model.optimizer.init_args.lr", "0"]
WILD = ["--model.optimizer", "torch.optim.SGD", "--model.optimizer.init_args.lr", "1e30"]


class Late(FiniteLoss):
    """Looks as it does on a device for which it has to wait."""

    def looks_at_once(self, loss: Tensor) -> bool:
        return False


def _fit(cli: TrainCLI, folder: Path, *callbacks: L.Callback, make: Callable[..., FiniteLoss] | None = None) -> None:
    finite = finite_loss(cli)
    extra = [*callbacks, make(finite.paths) if make else finite, ModelCheckpoint(folder, "last")]
    cli.instantiate_trainer(extra, logger=False).fit(cli.model, datamodule=cli.datamodule)


class Poison(L.Callback):
    """Makes the weights NaN after a step whose loss was finite, as a gradient that is not does."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if trainer.current_epoch == self.epoch and trainer.is_last_batch:
            next(pl_module.parameters()).data.fill_(float("nan"))


def _one_white(folder: Path) -> Path:
    """Dark pictures, and a white one among those to train on: too much for a network that takes it times 1e38."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2), ("test", 2)):
        for label in ("a", "b"):
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 2, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / label / f"{number}.png")
    Image.new("RGB", (16, 16), "white").save(folder / "train" / "b" / "white.png")
    return folder


def test_the_picture_with_whose_loss_it_began_is_named_before_a_weight_has_moved(tmp_path: Path) -> None:
    run = small_run(_one_white(tmp_path / "birds"), tmp_path / "runs")
    scale = ["--data.mean", "[0, 0, 0]", "--data.std", "[1e-38, 1e-38, 1e-38]"]
    cli = TrainCLI([*run, "--model.network", "bluebird.nets.MLP", *STILL, *scale])
    before = [weights.clone() for weights in cli.model.parameters()]
    with pytest.raises(TrainingError, match=r"epoch 1, batch \d: the training loss became nan at '[^']*white.png'; "):
        _fit(cli, tmp_path)
    assert all(map(torch.equal, before, cli.model.parameters()))
    assert not (tmp_path / "last.ckpt").exists()


@pytest.mark.parametrize("make", [FiniteLoss, Late])
def test_where_all_pictures_are_at_fault_those_of_the_first_bad_batch_are_named(
    make: Callable[..., FiniteLoss], make_folder: MakeFolder, tmp_path: Path
) -> None:
    run = small_run(make_folder(20), tmp_path / "runs")
    cli = TrainCLI([*run, *WILD, "--trainer.log_every_n_steps", "3"])
    with pytest.raises(TrainingError) as caught:
        _fit(cli, tmp_path, make=make)
    data = cli.datamodule.datasets["train"]
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))  # as the seed text has it
    second = [str(cli.datamodule.listing.samples[row].path) for row in data.rows[order[8:16]].tolist()]
    assert f"epoch 1, batch 2: the training loss became nan at {second[0]!r}, {second[1]!r}" in str(caught.value)
    assert "and 5 more; lower the learning rate" in str(caught.value)
    assert not (tmp_path / "last.ckpt").exists()


@pytest.mark.parametrize("make", [FiniteLoss, Late])
def test_weights_that_are_no_numbers_take_the_place_of_no_good_ones(
    make: Callable[..., FiniteLoss], make_folder: MakeFolder, tmp_path: Path
) -> None:
    cli = TrainCLI(small_run(make_folder(), tmp_path / "runs"))
    with pytest.raises(
        TrainingError, match=r"epoch 2: the weights are no longer finite; .* the epochs before are kept"
    ):
        _fit(cli, tmp_path, Poison(1), make=make)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert kept["epoch"] == 0
    assert all(weights.isfinite().all() for weights in kept["state_dict"].values())


def test_a_training_that_goes_well_is_the_same_with_it(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder()
    models = []
    for guards in (True, False):
        cli = TrainCLI(small_run(root, tmp_path / "runs"))
        extra: list[L.Callback] = [finite_loss(cli)] if guards else []
        trainer = cli.instantiate_trainer(extra, logger=False, enable_checkpointing=False)
        trainer.fit(cli.model, datamodule=cli.datamodule)
        models.append(cli.model)
    assert all(map(torch.equal, models[0].parameters(), models[1].parameters()))
