from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from bluebird.cli.training.devices import check_devices
from bluebird.errors import UsageError


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
