"""Devices that a training asks for: whether this machine has them, and which of them is whose."""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning.pytorch.accelerators import CUDAAccelerator

from bluebird.cli.choose import choose_device
from bluebird.errors import UsageError


def check_devices(trainer: Any) -> None:
    """Raise `UsageError` where the trainer's settings, a namespace, name a GPU that is not there, or too many."""
    accelerator, devices = trainer.accelerator, trainer.devices
    if accelerator not in ("cuda", "gpu", "mps"):
        return
    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    there["gpu"] = max(there.values())
    if not there[accelerator]:
        raise UsageError(
            f"trainer: accelerator is {accelerator}, and torch {torch.__version__} reaches no such device here; "
            "leave it out to train on what there is, or ask for cpu"
        )
    wanted = int(devices) if str(devices).isdecimal() else 0
    if wanted > there[accelerator]:
        raise UsageError(
            f"trainer: devices is {wanted}, and there are {there[accelerator]} of {accelerator}; ask for fewer, or auto"
        )


def own_device(trainer: Any) -> torch.device:
    """Where this process computes, by the trainer's settings, a namespace: of several devices on that of its rank."""
    device = choose_device("cpu" if trainer.accelerator == "cpu" else "auto", "torch")
    if device.type != "cuda":
        return device
    devices = -1 if trainer.devices == "auto" else trainer.devices
    numbers = CUDAAccelerator.parse_devices(devices) or [0]
    rank = int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0)
    return torch.device("cuda", numbers[rank % len(numbers)])


def alone_on(device: torch.device) -> dict[str, Any]:
    """Settings of a trainer that this process has for itself, however many others train with it."""
    devices: Any = 1 if device.index is None else [device.index]
    return {"devices": devices, "num_nodes": 1, "strategy": "auto", "sync_batchnorm": False}
