"""`bluebird train --ema.decay`: what is judged, kept and handed over is the moving average."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bluebird.cli import main
from tests.conftest import REPOSITORY, MakeFolder, small_run

TRAIN = [sys.executable, str(REPOSITORY / "scripts" / "train.py")]
EMA = ["--ema.decay", "0.9"]


def _run(runs: Path) -> Path:
    return runs / "small" / "version_0"


def _weights(runs: Path) -> dict[str, torch.Tensor]:
    return load_file(_run(runs) / "bundle" / "model.safetensors")


def _fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["train", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_the_bundle_holds_the_average_of_the_epoch_that_was_best(make_folder: MakeFolder, tmp_path: Path) -> None:
    assert main(["train", *small_run(make_folder(30), tmp_path), *EMA, "--trainer.max_epochs", "4"]) == 0
    (best,) = (_run(tmp_path) / "checkpoints").glob("best-*.ckpt")
    kept = torch.load(best, weights_only=True)
    bundled = {f"network.{name}": value for name, value in _weights(tmp_path).items()}
    assert bundled.keys() == kept["state_dict"].keys()
    assert all(torch.equal(value, kept["state_dict"][name]) for name, value in bundled.items())
    assert not torch.equal(bundled["network.head.weight"], kept["current_model_state"]["network.head.weight"])


@pytest.mark.trial
def test_a_killed_run_goes_on_with_the_same_average(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(60)
    options = [*EMA, "--trainer.max_epochs", "12"]
    assert main(["train", *small_run(root, tmp_path / "whole"), *options]) == 0
    run = _run(tmp_path / "killed")
    process = subprocess.Popen([*TRAIN, *small_run(root, tmp_path / "killed"), *options],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    while not (run / "checkpoints" / "last.ckpt").is_file():
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (run / "bundle").exists()
    assert main(["train", "--resume", str(run)]) == 0
    whole, resumed = _weights(tmp_path / "whole"), _weights(tmp_path / "killed")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    cards = [json.loads((_run(tmp_path / name) / "bundle" / "model.json").read_text()) for name in ("whole", "killed")]
    assert cards[0]["metrics"] == cards[1]["metrics"]


def test_another_decay_is_refused_on_resuming(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *small_run(make_folder(), tmp_path), *EMA]) == 0
    line = _fails(["--resume", str(_run(tmp_path)), "--ema.decay", "0.5"], capsys)
    assert "began with 0.9 and cannot go on with 0.5 (ema.decay)" in line


def test_a_decay_out_of_range_is_refused(make_folder: MakeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    line = _fails(["--data.root", str(make_folder()), "--ema.decay", "1"], capsys)
    assert "ema.decay is 1.0; expected a share above 0 and below 1" in line
