from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bluebird.cli.training.devices import alone_on, check_devices, own_device
from bluebird.cli.training.launch import planned
from bluebird.cli.training.parser import TrainCLI
from bluebird.errors import UsageError
from tests.conftest import MakeFolder, small_run

pytestmark = pytest.mark.filterwarnings("ignore")  # as the command line has it: libraries advise programmers


def test_what_runs_everywhere_is_let_pass() -> None:
    for accelerator in ("auto", "cpu", None):
        check_devices(SimpleNamespace(accelerator=accelerator, devices=4))


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("accelerator", ["cuda", "gpu", "mps"])
def test_a_gpu_that_is_not_there_is_refused(accelerator: str) -> None:
    with pytest.raises(
        UsageError, match=rf"trainer: accelerator is {accelerator}, and torch .* reaches no such device"
    ):
        check_devices(SimpleNamespace(accelerator=accelerator, devices="auto"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_more_gpus_than_there_are_are_refused() -> None:
    there = torch.cuda.device_count()
    for devices in (there, str(there), "auto", -1, [0], "0"):
        check_devices(SimpleNamespace(accelerator="cuda", devices=devices))
    with pytest.raises(UsageError, match=f"devices is {there + 1}, and there are {there} of cuda"):
        check_devices(SimpleNamespace(accelerator="cuda", devices=there + 1))


def test_a_training_takes_one_device_where_nobody_asks_for_more(make_folder: MakeFolder, tmp_path: Path) -> None:
    assert TrainCLI(small_run(make_folder(4), tmp_path / "runs")).config.trainer.devices == 1


@pytest.mark.parametrize(
    ("devices", "rank", "number"), [(1, "", 0), ("auto", "2", 2), (-1, "3", 3), ([1, 3], "1", 3), ("1,", "", 1)]
)
def test_each_process_computes_on_the_device_of_its_rank(
    devices: Any, rank: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bluebird.cli.training.devices.choose_device", lambda *_: torch.device("cuda"))
    monkeypatch.setattr("lightning.fabric.accelerators.cuda.num_cuda_devices", lambda: 4)
    monkeypatch.setenv("LOCAL_RANK", rank)
    device = own_device(SimpleNamespace(accelerator="auto", devices=devices))
    assert device == torch.device("cuda", number)
    assert alone_on(device)["devices"] == [number]


def test_without_a_gpu_it_computes_on_the_processor() -> None:
    device = own_device(SimpleNamespace(accelerator="cpu", devices=4))
    assert device == torch.device("cpu")
    assert alone_on(device)["devices"] == 1


@pytest.mark.parametrize(
    ("starter", "environment"),
    [
        ("torchrun", {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "8", "RANK": "0", "LOCAL_RANK": "0"}),
        ("srun", {"SLURM_STEP_NUM_TASKS": "8"}),
    ],
)
def test_as_many_processes_as_were_started_must_be_asked_for(
    starter: str, environment: dict[str, str], make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = TrainCLI(small_run(make_folder(4), tmp_path / "runs"))
    assert planned(cli) is None
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=rf"{starter} has started 8 processes, and trainer\.devices times .* is 1"):
        planned(cli)
