from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from bluebird.bundle import load_model
from bluebird.cli import main
from tests.conftest import REPOSITORY, MakeFolder, small_run

TRAIN = [sys.executable, str(REPOSITORY / "scripts" / "train.py")]


def _fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which `bluebird train` refuses, code 2."""
    assert main(["train", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bluebird: ")
    return line


def test_a_run_keeps_all_that_made_it(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert {"config.yaml", "versions.json", "checkpoints", "bundle"} <= names
    assert any("tfevents" in name for name in names)
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert config["data"]["image_size"] == 16
    assert config["model"]["network"]["class_path"] == "bluebird.nets.CNN"
    assert torch.__version__.startswith(json.loads((trained / "versions.json").read_text())["torch"])
    card = json.loads((trained / "bundle" / "model.json").read_text())
    assert card["classes"] == ["blue", "green", "red"]
    assert card["metrics"]["test/accuracy"] > 0.8  # plain colours: chance is 1/3


def test_a_run_says_what_it_found_and_where_everything_lies(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_folder(30)
    (root / "blue" / "broken.png").write_text("no picture")
    assert main(["train", *small_run(root, tmp_path / "runs")]) == 0
    out, err = capsys.readouterr()
    assert "2 classes; pictures: 44 train, 8 val, 8 test" in out
    assert "search is watched" not in out
    assert "--target blue --out finds" in out
    assert "multiply-adds" in out
    assert "accuracy" in out
    assert str(tmp_path / "runs" / "small" / "version_0" / "bundle") in out
    assert "broken.png" in err
    assert "epoch   2/2" in err


def test_the_same_seed_gives_the_same_weights(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(12)
    for name in ("one", "two"):
        assert main(["train", *small_run(root, tmp_path / name)]) == 0
    assert main(["train", *small_run(root, tmp_path / "other"), "--seed_everything", "1"]) == 0
    one, two, other = (_weights(tmp_path / name) for name in ("one", "two", "other"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def _weights(runs: Path) -> dict[str, torch.Tensor]:
    return load_file(runs / "small" / "version_0" / "bundle" / "model.safetensors")


def test_a_kept_config_runs_again(trained: Path, tmp_path: Path) -> None:
    arguments = ["--config", str(trained / "config.yaml"), "--runs_dir", str(tmp_path), "--trainer.max_epochs", "1"]
    assert main(["train", *arguments]) == 0
    first = yaml.safe_load((trained / "config.yaml").read_text())
    again = yaml.safe_load((tmp_path / "small" / "version_0" / "config.yaml").read_text())
    assert again.pop("runs_dir") == str(tmp_path)
    assert again["trainer"].pop("max_epochs") == 1
    first.pop("runs_dir")
    first["trainer"].pop("max_epochs")
    assert again == first


def test_several_configs_are_merged_and_the_last_word_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("data:\n  image_size: 24\n  batch_size: 5\n")
    (tmp_path / "b.yaml").write_text("data:\n  batch_size: 6\n")
    arguments = ["--config", str(tmp_path / "a.yaml"), "--config", str(tmp_path / "b.yaml"), "--model.warmup", "0.3"]
    config = _printed([*arguments, "--print_config"], capsys)
    assert (config["data"]["image_size"], config["data"]["batch_size"], config["model"]["warmup"]) == (24, 6, 0.3)


def _printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    with pytest.raises(SystemExit, match="0"):
        main(["train", *arguments])
    config: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return config


def test_the_default_is_the_perceptron_with_all_its_arguments_shown(capsys: pytest.CaptureFixture[str]) -> None:
    model = _printed(["--print_config"], capsys)["model"]
    assert model["network"]["class_path"] == "bluebird.nets.MLP"
    assert model["network"]["init_args"] == {"widths": [512, 256], "activation": "relu", "dropout": 0.2}
    assert model["optimizer"]["class_path"] == "torch.optim.AdamW"


@pytest.mark.parametrize(
    ("arguments", "lr"),
    [
        ("--weights w.pth", 2e-4),
        ("--weights=w.pth", 2e-4),
        ("--config w.yaml", 2e-4),
        ("--config rate.yaml", 0.5),
        ("--weights w.pth --model.optimizer.init_args.lr 0.1", 0.1),
        ("--model.optimizer.init_args.lr 0.1 --weights w.pth", 0.1),
        ("--weights w.pth --model.optimizer torch.optim.Adam", 1e-3),
        ("", 1e-3),
    ],
)
def test_whoever_begins_with_weights_and_names_no_rate_learns_slowly(
    arguments: str, lr: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.yaml").write_text("weights: w.pth\n")
    Path("rate.yaml").write_text(
        "weights: w.pth\nmodel:\n  optimizer:\n    class_path: torch.optim.AdamW\n    init_args:\n      lr: 0.5\n"
    )
    assert _printed([*arguments.split(), "--print_config"], capsys)["model"]["optimizer"]["init_args"]["lr"] == lr


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("form", ["--config FILE", "--config=FILE", "-c FILE"])
def test_another_class_keeps_its_own_defaults(
    form: str, order: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("model:\n  network:\n    class_path: bluebird.nets.CNN\n")
    options = [form.replace("FILE", str(config)).split(), ["--print_config"], ["--model.optimizer", "torch.optim.SGD"]][
        ::order
    ]
    model = _printed([word for option in options for word in option], capsys)["model"]
    assert model["network"]["init_args"]["widths"] == [16, 32, 64, 128]
    assert model["optimizer"]["class_path"] == "torch.optim.SGD"
    assert model["optimizer"]["init_args"]["weight_decay"] == 0  # AdamW's would be 0.01


@pytest.mark.parametrize("config", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_committed_config_is_taken_and_opens_with_its_command(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = _printed(["--config", str(config), "--print_config"], capsys)
    assert printed["name"] == config.stem
    head = config.read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"--config configs/{config.name}" in head


def test_training_stops_early_when_validation_no_longer_improves(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--early_stopping.patience", "1", "--early_stopping.min_delta", "100", "--trainer.max_epochs", "9"]
    assert main(["train", *small_run(make_folder(), tmp_path / "runs"), *options]) == 0
    assert capsys.readouterr().err.count("epoch ") == 2


def test_training_stops_when_the_parameters_stand_still(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--converged.threshold", "1000", "--trainer.max_epochs", "9"]
    assert main(["train", *small_run(make_folder(), tmp_path / "runs"), *options]) == 0
    assert capsys.readouterr().err.count("epoch ") == 1


def _start(arguments: list[str], run: Path) -> subprocess.Popen[str]:
    """A training in a process of its own, once it has kept a checkpoint."""
    process = subprocess.Popen([*TRAIN, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (run / "checkpoints" / "last.ckpt").is_file():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    return process


def test_a_killed_run_goes_on_as_if_nothing_had_been(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(60)
    epochs = ["--trainer.max_epochs", "12"]
    assert main(["train", *small_run(root, tmp_path / "whole"), *epochs]) == 0
    run = tmp_path / "killed" / "small" / "version_0"
    process = _start([*small_run(root, tmp_path / "killed"), *epochs], run)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (run / "bundle").exists()
    kept = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert 0 < kept["global_step"] < 12 * 10
    assert main(["train", "--resume", str(run)]) == 0
    whole, resumed = _weights(tmp_path / "whole"), _weights(tmp_path / "killed")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    cards = [json.loads((run.parents[2] / name / "small/version_0/bundle/model.json").read_text())
             for name in ("whole", "killed")]  # fmt: skip
    assert cards[0]["metrics"] == cards[1]["metrics"]


def test_the_last_epoch_is_kept_even_if_another_was_better(make_folder: MakeFolder, tmp_path: Path) -> None:
    standing = [
        "--model.network",
        "bluebird.nets.MLP",
        "--model.optimizer",
        "torch.optim.SGD",
        "--model.optimizer.lr",
        "0",
        "--trainer.max_epochs",
        "3",
    ]
    assert main(["train", *small_run(make_folder(), tmp_path / "runs"), *standing]) == 0
    kept = {file.stem: torch.load(file, weights_only=True)["epoch"] for file in tmp_path.rglob("*.ckpt")}
    assert kept == {"best-epoch=000": 0, "last": 2}


def test_ctrl_c_keeps_the_last_checkpoint_and_says_how_to_go_on(make_folder: MakeFolder, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "small" / "version_0"
    process = _start([*small_run(make_folder(60), tmp_path / "runs"), "--trainer.max_epochs", "500"], run)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == f"bluebird: interrupted; go on with: bluebird train --resume {run}"
    assert "Traceback" not in err
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] > 0
    assert main(["train", "--resume", str(run), "--trainer.max_epochs", "1"]) == 0


# Bad input: one line, code 2, no traceback.


def test_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no pictures" in _fails(["--data.root", str(tmp_path)], capsys)


def test_a_missing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such folder; check the path" in _fails(["--data.root", str(tmp_path / "absent")], capsys)


def test_one_class_only(make_folder: MakeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert "only one class ('blue')" in _fails(["--data.root", str(make_folder(classes=["blue"]))], capsys)


def test_where_nobody_names_a_class_and_there_is_no_bluebird_that_is_said(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *small_run(make_folder(), tmp_path / "runs"), "--target", "bluebird"]) == 0  # the default
    out = capsys.readouterr().out
    assert "no one class is meant by --target bluebird, so no bird's search is watched" in out
    assert "--target CLASS --out finds" in out


def test_a_target_that_is_misspelt_is_refused_before_anything_is_written(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = small_run(make_folder(), tmp_path / "runs")
    assert "--target 'rde' is none of the model's classes (blue, red)" in _fails([*run, "--target", "rde"], capsys)
    assert not (tmp_path / "runs").exists()


def test_a_class_with_one_picture(make_folder: MakeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_folder()
    (root / "rare").mkdir()
    Image.new("RGB", (8, 8)).save(root / "rare" / "1.png")
    assert "class 'rare' has 1 different picture" in _fails(["--data.root", str(root)], capsys)


def test_a_label_in_val_that_train_never_saw(make_folder: MakeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_folder(name="birds/train").parent
    make_folder(name="birds/val", classes=["blue", "green"])
    assert "'green' in val or test, but not in train" in _fails(["--data.root", str(root)], capsys)


def test_a_folder_of_only_broken_files(make_folder: MakeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_folder(3)
    for file in root.rglob("*.png"):
        file.write_bytes(b"\x89PNG broken")
    assert "none of the 6 files can be read" in _fails(["--data.root", str(root)], capsys)


def test_a_misspelt_key_in_a_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("data:\n  image_sise: 32\n")
    line = _fails(["--config", str(config)], capsys)
    assert "image_sise" in line
    assert "did you mean data.image_size?" in line


def test_a_misspelt_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean data.batch_size?" in _fails(["--data.bach_size", "3"], capsys)


def test_a_word_that_a_network_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    pooling = ["--model.network", "bluebird.nets.Backbone", "--model.network.init_args.pooling", "colour"]
    refused = """Parser key "pooling": expected as_built or covariance. Got value: colour"""
    assert f'Parser key "model.network": {refused} (see bluebird train --help)' in _fails(pooling, capsys)


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--data.batch_size", "many", "batch_size"),
        ("--data.image_size", "0", "data.image_size is 0"),
        ("--data.mean", "[0.5, 0.5]", "data.mean has 2 number(s); expected three"),
        ("--model.dropout", "0.5", "model.dropout"),
        ("--model.network", "bluebird.nets.RNN", "RNN"),
        ("--model.schedule", "zigzag", "zigzag"),
        ("--recipe", "finetune", "expected auto or scratch or few_shot or probe or fine_tune. Got value: finetune"),
        ("--trainer.max_epochs", "soon", "max_epochs"),
        ("--converged.threshold", "-1", "converged.threshold is -1"),
        ("--config", "absent.yaml", "absent.yaml"),
        ("--resume", "absent", "not a run folder"),
    ],
)
def test_a_setting_that_cannot_be(option: str, value: str, reason: str, make_folder: MakeFolder,
                                  capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert reason in _fails(["--data.root", str(make_folder()), option, value], capsys)


@pytest.mark.parametrize("options", [["--trainer.devices", "0"], ["--trainer.accelerator", "tpu"]])
def test_a_trainer_that_cannot_be(
    options: list[str], make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *small_run(make_folder(), tmp_path / "runs"), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bluebird: trainer: ")


def test_a_config_that_is_no_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("data: [unclosed\n")
    assert "c.yaml" in _fails(["--config", str(config)], capsys)


def test_a_run_folder_that_cannot_be_written(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("a file in the way")
    line = _fails(small_run(make_folder(), tmp_path / "runs"), capsys)
    assert "choose another with --runs_dir" in line


def test_names_with_spaces_newlines_and_odd_bytes(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(name="my\n birds ")
    picture = root / "blue" / "000.png"
    picture.rename(picture.with_name(os.fsdecode(b"odd\n \xff.png")))
    assert main(["train", *small_run(root, tmp_path / "runs")]) == 0


def test_a_folder_whose_own_name_is_no_utf8(make_folder: MakeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    line = _fails(["--data.root", str(make_folder(name=os.fsdecode(b"birds\xff")))], capsys)
    assert "no UTF-8; reach it by a link" in line


def test_another_optimiser_is_refused_on_resuming(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--model.optimizer", "torch.optim.SGD", "--model.optimizer.init_args.lr", "0.1"]
    line = _fails(["--resume", str(trained), *options], capsys)
    assert "began with torch.optim.AdamW and cannot go on with torch.optim.SGD" in line


@pytest.mark.parametrize(
    ("option", "before", "now"),
    [
        ("model.optimizer.init_args.lr", "0.01", "0.001"),
        ("model.optimizer.init_args.weight_decay", "0.01", "0.5"),
        ("model.optimizer.init_args.betas", "[0.9, 0.999]", "[0.5, 0.9]"),
        ("early_stopping.patience", "10", "20"),
    ],
)
def test_a_setting_that_the_checkpoint_would_override_is_refused_on_resuming(
    option: str, before: str, now: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "small" / "version_0"))
    line = _fails(["--resume", str(run), f"--{option}", now], capsys)
    assert f"began with {before} and cannot go on with {now} ({option})" in line
    assert (run / "config.yaml").read_bytes() == (trained / "config.yaml").read_bytes()


def test_the_same_settings_said_again_and_others_that_take_effect_are_taken_on_resuming(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "small" / "version_0"))
    options = ["--model.optimizer.init_args.lr", "1e-2", "--trainer.max_epochs", "5", "--runs_dir", str(tmp_path)]
    assert main(["train", "--resume", str(run), *options]) == 0
    assert "epoch   5/5" in capsys.readouterr().err


def test_a_run_that_had_ended_says_so_when_it_is_resumed(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "small" / "version_0"))
    before = load_model(run)
    assert main(["train", "--resume", str(run)]) == 0
    out, err = capsys.readouterr()
    assert "note     this run had ended: without more epochs (--trainer.max_epochs) it is only validated" in out
    assert "epoch" not in err
    assert load_model(run).fingerprint == before.fingerprint
    shutil.rmtree(run / "bundle")
    assert main(["train", "--resume", str(run)]) == 0
    assert "this run had ended" not in capsys.readouterr().out


def test_a_run_that_kept_nothing_yet_begins_with_whatever_is_asked_for(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "small" / "version_0"
    run.mkdir(parents=True)
    (run / "config.yaml").write_bytes((trained / "config.yaml").read_bytes())
    options = ["--model.optimizer.init_args.lr", "0.02", "--trainer.max_epochs", "1"]
    assert main(["train", "--resume", str(run), *options]) == 0
    (state,) = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"]
    assert {group["initial_lr"] for group in state["param_groups"]} == {0.02}


def test_other_pictures_than_before_are_refused_on_resuming(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_folder()
    assert main(["train", *small_run(root, tmp_path / "runs")]) == 0
    shutil.copy(root / "blue" / "000.png", root / "blue" / "one_more.png")
    shutil.copy(root / "red" / "000.png", root / "blue" / "wrong.png")
    capsys.readouterr()
    line = _fails([f"--resume={tmp_path / 'runs' / 'small' / 'version_0'}"], capsys)
    assert "not those it was trained on" in line


def test_a_loss_that_is_no_number_any_more_is_said(make_folder: MakeFolder, tmp_path: Path,
                                                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    options = ["--model.optimizer", "torch.optim.SGD", "--model.optimizer.init_args.lr", "1e30"]
    assert main(["train", *small_run(make_folder(), tmp_path / "runs"), *options]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "training loss became nan" in last
    assert "lower the learning rate" in last


def test_a_disk_that_fills_up_in_training_is_said_in_one_line(make_folder: MakeFolder, tmp_path: Path) -> None:
    code = (
        "import resource, sys; from bluebird.cli import main\n"
        "import bluebird.cli.train, bluebird.cli.training.parser\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "train", *small_run(make_folder(), tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert "cannot be written any more (File too large); make room" in line


def test_a_checkpoint_of_another_network_is_refused_on_resuming(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "small" / "version_0"))
    line = _fails(["--resume", str(run), "--model.network.init_args.stem", "5"], capsys)
    assert "last.ckpt': the checkpoint does not fit this config" in line
    assert (run / "config.yaml").read_bytes() == (trained / "config.yaml").read_bytes()


def test_a_truncated_checkpoint_is_refused_on_resuming(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "small" / "version_0"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_bytes((trained / "config.yaml").read_bytes())
    whole = (trained / "checkpoints" / "last.ckpt").read_bytes()
    (run / "checkpoints" / "last.ckpt").write_bytes(whole[: len(whole) // 2])
    assert "last.ckpt" in _fails(["--resume", str(run)], capsys)
