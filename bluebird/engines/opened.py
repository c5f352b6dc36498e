"""An engine by its name."""

from __future__ import annotations

from pathlib import Path

import torch

from bluebird.bundle import Bundle, bundle_folder
from bluebird.engines.engine import Engine
from bluebird.engines.export import open_export
from bluebird.engines.native import CPU, Torch
from bluebird.errors import UsageError


def open_engine(model: Bundle, path: Path, name: str, device: torch.device = CPU) -> tuple[Engine, str]:
    """The engine of this name for a model loaded from `path`, and a fingerprint of all that decides on its answers.

    Raises:
        UsageError: it does not run on this device, or its library is missing.
        BundleError: no export for it lies beside the bundle.
    """
    if name == "torch":
        return Engine(Torch(model, device), model.familiarity), model.fingerprint
    if device.type != "cpu":
        raise UsageError(f"--engine {name} computes on the CPU; leave out --device, or take --engine torch")
    folder = bundle_folder(path)
    if folder is None:
        raise UsageError(
            f"{str(path)!r}: a checkpoint has no export for --engine {name}; name a run folder or a bundle"
        )
    runtime, fingerprint = open_export(model, name, folder)
    return Engine(runtime, model.familiarity), fingerprint
