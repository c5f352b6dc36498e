"""One training in several processes: real ones, over gloo, on this machine's CPU."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bluebird.callbacks import EpochSeed
from bluebird.cli import main
from tests.conftest import MakeFolder, small_run, write_folder

TRAIN = [sys.executable, "-m", "bluebird", "train"]
TWO = ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--data.batch_size", "8"]
PLAIN = [  # nothing is drawn in it but the order of the pictures, and batch norm would see half a batch
    *("--model.network", "bluebird.nets.MLP", "--model.network.init_args.widths", "[16]"),
    *("--model.network.init_args.dropout", "0", "--model.optimizer.init_args.lr", "0.0003"),
    *("--data.augment.flip", "false", "--data.augment.shift", "0", "--data.augment.zoom", "0"),
]
LINES = ("watch", "run ", "test ", "model ", "search")


def _train(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TRAIN, *arguments], capture_output=True, text=True, check=False, env=os.environ | environment, timeout=120
    )


def _mlp(root: Path, runs: Path) -> list[str]:
    """A training of an MLP that takes its time to learn the colours."""
    arguments = small_run(root, runs)
    start, end = arguments.index("--model.network"), arguments.index("--model.optimizer")
    return [*arguments[:start], *arguments[end:], *PLAIN]


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "bundle" / "model.safetensors")


def _curve(run: Path, name: str) -> tuple[list[int], list[float]]:
    events = EventAccumulator(str(run))
    events.Reload()
    points = events.Scalars(name)
    return [point.step for point in points], [point.value for point in points]


def _children(process: subprocess.Popen[str]) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    )
    return sorted(int(pid) for pid in listed.stdout.split())


def _alive(pid: int) -> bool:
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip()[:1] not in ("", "Z")


def _until_a_checkpoint(arguments: list[str], run: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A training in two processes that has kept an epoch, and the numbers of these two."""
    process = subprocess.Popen([*TRAIN, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (run / "checkpoints" / "last.ckpt").is_file():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    children = _children(process)
    assert len(children) == 2
    return process, children


def test_two_processes_learn_what_one_learns_from_the_same_pictures(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(33, classes=("blue", "red", "green"))
    assert main(["train", *_mlp(root, tmp_path / "one"), "--data.batch_size", "16"]) == 0
    done = _train([*_mlp(root, tmp_path / "two"), *TWO])
    assert done.returncode == 0, done.stderr
    assert "69 train, 15 val" in done.stdout  # which two cannot share evenly
    assert all(done.stdout.count(f"\n{line}") + done.stdout.startswith(line) == 1 for line in LINES)
    assert done.stderr.count("epoch ") == 2
    one, two = (tmp_path / name / "small" / "version_0" for name in ("one", "two"))
    for key, weights in _weights(one).items():
        np.testing.assert_allclose(_weights(two)[key], weights, atol=1e-6, rtol=1e-5)
    for name in ("val/loss", "val/recall/blue", "val/average_precision", "val/looked_at_for_95", "train/gradient_norm"):
        steps, values = _curve(one, name)
        assert _curve(two, name)[0] == steps
        np.testing.assert_allclose(_curve(two, name)[1], values, rtol=1e-5)
    cards = [json.loads((run / "bundle" / "model.json").read_text()) for run in (one, two)]
    assert cards[0]["metrics"] == pytest.approx(cards[1]["metrics"], rel=1e-5)
    assert sorted(path.name for path in one.parent.parent.parent.glob("two/small/*")) == ["version_0"]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a small CNN, with dropout and augmentation, trained by two processes."""
    base = tmp_path_factory.mktemp("unbroken")
    root = write_folder(base / "birds", 60, ("blue", "red"))
    done = _train([*small_run(root, base / "whole"), *TWO, "--trainer.max_epochs", "8"])
    assert done.returncode == 0, done.stderr
    return base / "whole" / "small" / "version_0"


@pytest.mark.trial
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_training_in_a_line_and_it_goes_on_as_if_nothing_had_been(
    rank: int, unbroken: Path, tmp_path: Path
) -> None:
    root = unbroken.parents[2] / "birds"
    run = tmp_path / "small" / "version_0"
    process, children = _until_a_checkpoint([*small_run(root, tmp_path), *TWO, "--trainer.max_epochs", "8"], run)
    os.kill(children[rank], signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    said = [line for line in err.splitlines() if not line.startswith("epoch ")]
    assert said == [
        f"bluebird: a process of the training has ended (killed by signal 9); go on with: bluebird train --resume {run}"
    ]
    assert not any(map(_alive, children))
    done = _train(["--resume", str(run)])
    assert done.returncode == 0, done.stderr
    assert all(torch.equal(_weights(run)[key], weights) for key, weights in _weights(unbroken).items())
    cards = [json.loads((folder / "bundle" / "model.json").read_text())["metrics"] for folder in (run, unbroken)]
    assert cards[0] == cards[1]


@pytest.mark.trial
def test_ctrl_c_ends_both_processes_in_a_line(unbroken: Path, tmp_path: Path) -> None:
    root = unbroken.parents[2] / "birds"
    run = tmp_path / "small" / "version_0"
    process, children = _until_a_checkpoint([*small_run(root, tmp_path), *TWO, "--trainer.max_epochs", "500"], run)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    said = [line for line in err.splitlines() if not line.startswith("epoch ")]
    assert said == [f"bluebird: interrupted; go on with: bluebird train --resume {run}"]
    assert not any(map(_alive, children))


@pytest.mark.trial
def test_the_processes_of_a_killed_command_do_not_live_on(unbroken: Path, tmp_path: Path) -> None:
    root = unbroken.parents[2] / "birds"
    run = tmp_path / "small" / "version_0"
    process, children = _until_a_checkpoint([*small_run(root, tmp_path), *TWO, "--trainer.max_epochs", "500"], run)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while any(map(_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_alive, children))


@pytest.mark.trial
def test_a_loss_that_is_no_number_is_said_once(unbroken: Path, tmp_path: Path) -> None:
    done = _train([*_mlp(unbroken.parents[2] / "birds", tmp_path), *TWO, "--model.optimizer.init_args.lr", "1e30"])
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if not line.startswith("epoch ")]
    assert len(said) == 1
    assert said[0].startswith("bluebird: epoch 1")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--trainer.strategy", "ddp_spawn"], "strategy is ddp_spawn, which is made for notebooks; expected ddp"),
        (["--trainer.sync_batchnorm", "true"], "torch has it for GPUs only"),
        (["--model.by_hand", "true"], "which learns in one process"),
        (["--audit.every_n_steps", "2"], "and several processes average their gradients"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(
    options: list[str], line: str, make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *small_run(make_folder(), tmp_path / "runs"), *TWO, *options]) == 2
    assert line in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def _drawn(rank: int) -> list[float]:
    trainer: Any = SimpleNamespace(global_rank=rank, current_epoch=4, train_dataloader=None)
    EpochSeed(3).on_train_epoch_start(trainer, L.LightningModule())
    return torch.rand(3).tolist()


def test_each_process_draws_its_own_and_the_first_what_one_process_draws() -> None:
    alone = torch.rand(3, generator=torch.Generator().manual_seed(3 * 1_000_003 + 4 + 1)).tolist()
    assert _drawn(0) == alone
    assert _drawn(1) == _drawn(1)
    assert len({tuple(_drawn(rank)) for rank in range(4)}) == 4


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.trial
def test_two_nodes_of_torchrun_learn_what_one_process_learns(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(39)
    assert main(["train", *_mlp(root, tmp_path / "one"), "--data.batch_size", "16"]) == 0
    port = str(_free_port())
    nodes: list[Any] = []
    for node in ("0", "1"):
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", node),
            *("--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", port, "-m", "bluebird", "train"),
            *(*_mlp(root, tmp_path / "two"), "--data.batch_size", "8", "--trainer.strategy", "ddp"),
            *("--trainer.devices", "1", "--trainer.num_nodes", "2"),
        ]
        nodes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    first, second = (node.communicate(timeout=120) for node in nodes)
    assert [node.returncode for node in nodes] == [0, 0], (first, second)
    assert "test " in first[0]
    assert second[0] == ""
    one, two = (tmp_path / name / "small" / "version_0" for name in ("one", "two"))
    for key, weights in _weights(one).items():
        np.testing.assert_allclose(_weights(two)[key], weights, atol=1e-6, rtol=1e-5)


SHARED = ["--trainer.strategy", "fsdp2", "--trainer.devices", "2", "--data.batch_size", "8"]
STEADY = ["--model.schedule", "constant", "--model.warmup", "0"]  # six epochs do what three and three more do


@pytest.mark.trial
def test_two_processes_with_half_a_network_each_learn_what_one_process_learns(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder(33, classes=("blue", "red", "green"))
    assert main(["train", *_mlp(root, tmp_path / "one"), "--data.batch_size", "16"]) == 0
    done = _train([*_mlp(root, tmp_path / "two"), *SHARED])
    assert done.returncode == 0, done.stderr
    assert all(done.stdout.count(f"\n{line}") + done.stdout.startswith(line) == 1 for line in LINES)
    one, two = (tmp_path / name / "small" / "version_0" for name in ("one", "two"))
    for key, weights in _weights(one).items():
        np.testing.assert_allclose(_weights(two)[key], weights, atol=1e-6, rtol=1e-5)
    for name in ("val/loss", "val/recall/blue", "val/average_precision", "train/gradient_norm"):
        steps, values = _curve(one, name)
        assert _curve(two, name)[0] == steps
        np.testing.assert_allclose(_curve(two, name)[1], values, rtol=1e-5)
    cards = [json.loads((run / "bundle" / "model.json").read_text()) for run in (one, two)]
    assert cards[0]["architecture"] == cards[1]["architecture"] == "MLP"
    assert cards[0]["metrics"] == pytest.approx(cards[1]["metrics"], rel=1e-5)
    kept = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (one, two)]
    assert kept[0].keys() == kept[1].keys()
    assert all(kept[1][key].shape == weights.shape for key, weights in kept[0].items())


@pytest.mark.trial
@pytest.mark.parametrize("devices", [[], ["--trainer.strategy", "auto", "--trainer.devices", "1"]])
def test_what_began_in_shares_goes_on_in_shares_or_whole(devices: list[str], tmp_path: Path) -> None:
    root = write_folder(tmp_path / "birds", 33, ("blue", "red"))
    whole, broken = tmp_path / "whole" / "small" / "version_0", tmp_path / "broken" / "small" / "version_0"
    for runs, more in ((tmp_path / "whole", []), (tmp_path / "broken", ["--trainer.max_epochs", "3"])):
        done = _train([*_mlp(root, runs), *SHARED, *STEADY, "--trainer.max_epochs", "6", *more])
        assert done.returncode == 0, done.stderr
    batch = ["--data.batch_size", "16"] if devices else []
    done = _train(["--resume", str(broken), "--trainer.max_epochs", "6", *devices, *batch])
    assert done.returncode == 0, done.stderr
    assert _curve(broken, "val/loss")[0] == _curve(whole, "val/loss")[0]
    np.testing.assert_allclose(_curve(broken, "val/loss")[1], _curve(whole, "val/loss")[1], rtol=1e-5)
    for key, weights in _weights(whole).items():
        np.testing.assert_allclose(_weights(broken)[key], weights, atol=1e-6, rtol=1e-5)


BACKBONE = ["--model.network", "bluebird.nets.Backbone", "--model.network.init_args.name", "mobilenet_v3_small"]


@pytest.mark.parametrize(
    "options",
    [
        ["--ema.decay", "0.9"],
        ["--swa.start", "0.5"],
        ["--converged.threshold", "0.1"],
        ["--audit.every_n_steps", "1"],
        ["--model.unfreeze", "0.5", *BACKBONE],
    ],
)
def test_what_looks_at_weights_on_its_own_is_refused_where_each_process_has_a_share(
    options: list[str], make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *_mlp(make_folder(), tmp_path / "runs"), *SHARED, *options]) == 2
    assert f"{options[0][2:]} is set, which fsdp2 cannot do; leave it out" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.trial
@pytest.mark.parametrize("optimizer", ["torch.optim.AdamW", "bluebird.nets.muon.Muon"])
def test_shares_learn_what_two_whole_networks_learn_batch_norm_and_kernels_included(
    optimizer: str, tmp_path: Path
) -> None:
    root = write_folder(tmp_path / "birds", 33, ("blue", "red"))
    for name, way in (("whole", TWO), ("shares", SHARED)):
        made = [*small_run(root, tmp_path / name), "--model.optimizer", optimizer, "--trainer.gradient_clip_val", "0.5"]
        done = _train([*made, "--model.optimizer.init_args.lr", "0.003", *way], OMP_NUM_THREADS="1")
        assert done.returncode == 0, done.stderr
    whole, shares = (tmp_path / name / "small" / "version_0" for name in ("whole", "shares"))
    for key, weights in _weights(whole).items():
        np.testing.assert_allclose(_weights(shares)[key], weights, atol=1e-4, rtol=1e-3, err_msg=key)
    np.testing.assert_allclose(_curve(shares, "val/loss")[1], _curve(whole, "val/loss")[1], rtol=1e-4)
