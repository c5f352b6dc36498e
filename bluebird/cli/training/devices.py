"""Devices that a training asks for and this machine does not have, said before anything is read."""

from __future__ import annotations

from typing import Any

import torch

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
