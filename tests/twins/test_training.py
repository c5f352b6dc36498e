"""A training by hand as a user runs it, and the same training by autograd beside it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bluebird.cli import main
from bluebird.errors import UsageError
from bluebird.nets import Backbone
from bluebird.nets.classifier import Classifier
from bluebird.twins import ByHandClassifier
from tests.conftest import MakeFolder, small_run

BY_HAND = ["--model.by_hand", "true", "--model.optimizer", "bluebird.twins.SGD"]
MLP = ["--model.network", "bluebird.nets.MLP", "--model.network.init_args.widths", "[16, 8]"]


def _arguments(root: Path, runs: Path, network: list[str] = MLP) -> list[str]:
    """The settings of `small_run` with another network and plain SGD."""
    arguments = small_run(root, runs)
    first, last = arguments.index("--model.network"), arguments.index("--trainer.max_epochs")
    lr = ["--model.optimizer.init_args.lr", "0.01", "--model.optimizer.init_args.momentum", "0.9"]
    return [*arguments[:first], *network, *arguments[last:], *lr]


def _train(arguments: list[str], *options: str) -> int:
    at = next(n for n, word in enumerate(arguments) if word.startswith("--model.optimizer.init_args"))
    return main(["train", *arguments[:at], *options, *arguments[at:]])


def _weights(runs: Path) -> dict[str, torch.Tensor]:
    return load_file(runs / "small" / "version_0" / "bundle" / "model.safetensors")


@pytest.fixture
def no_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("autograd was asked")

    monkeypatch.setattr(torch.Tensor, "backward", forbidden)
    monkeypatch.setattr(torch.autograd, "backward", forbidden)
    monkeypatch.setattr(torch.autograd, "grad", forbidden)
    monkeypatch.setattr("bluebird.cli.train.show", lambda *_: None)  # afterwards, Grad-CAM may ask it


@pytest.mark.usefixtures("no_autograd")
def test_it_learns_without_autograd_into_a_bundle_that_predict_takes(make_folder: MakeFolder, tmp_path: Path) -> None:
    root, runs = make_folder(24), tmp_path / "runs"
    assert _train([*_arguments(root, runs), "--trainer.max_epochs", "6"], *BY_HAND) == 0
    run = runs / "small" / "version_0"
    assert json.loads((run / "bundle" / "model.json").read_text())["metrics"]["test/accuracy"] > 0.9
    tags = EventAccumulator(str(run)).Reload().Tags()["scalars"]
    assert {"train/loss_step", "train/loss_epoch", "train/gradient_norm", "val/accuracy", "lr-SGD/pg1"} <= set(tags)
    assert main(["predict", str(run), str(root), "--target", "blue", "--out", str(tmp_path / "finds")]) == 0
    with (tmp_path / "finds" / "finds.csv").open() as file:
        rows = list(csv.DictReader(file))
    right = sum(row["path"].startswith(row["class_1"]) for row in rows)
    assert right / len(rows) > 0.9


CNN = ["--model.network", "bluebird.nets.CNN", "--model.network.init_args.stem", "4",
       "--model.network.init_args.widths", "[8, 16]", "--model.network.init_args.blocks", "[0, 1]"]  # fmt: skip


@pytest.mark.parametrize("network", [MLP, CNN], ids=["mlp", "cnn"])
def test_without_dropout_it_ends_where_autograd_ends(
    network: list[str], make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder()
    precise = ["--trainer.precision", "64-true", "--model.network.init_args.dropout", "0.0"]
    for runs, options in (("hand", BY_HAND), ("autograd", ["--model.optimizer", "torch.optim.SGD"])):
        assert _train(_arguments(root, tmp_path / runs, network), *options, *precise) == 0
    by_hand, by_autograd = _weights(tmp_path / "hand"), _weights(tmp_path / "autograd")
    assert by_hand.keys() == by_autograd.keys()
    for name, expected in by_autograd.items():
        if not name.endswith("num_batches_tracked"):  # counted by torch, used by nobody
            torch.testing.assert_close(by_hand[name], expected, rtol=1e-8, atol=1e-8)


def test_an_interrupted_run_ends_as_an_unbroken_one(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder()
    whole = [*_arguments(root, tmp_path / "whole"), "--model.schedule", "constant"]
    assert _train([*whole, "--trainer.max_epochs", "4"], *BY_HAND) == 0
    half = [*_arguments(root, tmp_path / "half"), "--model.schedule", "constant"]
    assert _train(half, *BY_HAND) == 0
    assert main(["train", "--resume", str(tmp_path / "half" / "small" / "version_0"), "--trainer.max_epochs", "4"]) == 0
    last = [
        torch.load(tmp_path / runs / "small" / "version_0" / "checkpoints" / "last.ckpt", weights_only=True)
        for runs in ("whole", "half")
    ]
    for name, tensor in last[0]["state_dict"].items():
        assert torch.equal(tensor, last[1]["state_dict"][name]), name


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--trainer.precision", "bf16-mixed"], "trainer.precision is bf16-mixed; by hand it is 32-true or 64-true"),
        (["--trainer.accumulate_grad_batches", "2"], "gradient accumulation is not supported"),
        (["--trainer.gradient_clip_val", "1.0"], "gradient clipping is not supported"),
        (["--model.optimizer.init_args.lr", "0"], "lr is 0.0; expected a finite number above 0"),
        (["--model.optimizer.init_args.lr", "1e30"], "lower the learning rate"),
    ],
)
def test_what_cannot_be_trained_by_hand_is_refused_in_one_line(
    options: list[str], reason: str, make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *(a := _arguments(make_folder(), tmp_path / "runs"))[:-4], *BY_HAND, *a[-4:], *options]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("bluebird:")]
    assert len(errors) == 1
    assert reason in errors[0]


def test_a_network_without_a_twin_is_refused() -> None:
    Classifier(["a", "b"], 32, network=Backbone)
    with pytest.raises(UsageError, match="Backbone has no twin by hand"):
        ByHandClassifier(["a", "b"], 32, network=Backbone)
