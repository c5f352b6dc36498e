"""Trained networks made ready to be asked millions of times: by torch, ONNX Runtime or OpenVINO, in as many threads
as there are cores."""

from __future__ import annotations

from pathlib import Path

import torch

from bluebird.bundle import Bundle, bundle_folder
from bluebird.engines.engine import Answers, Engine, Fetch
from bluebird.engines.export import FILES, open_export
from bluebird.engines.native import CPU, Torch, cores
from bluebird.errors import UsageError

__all__ = ["CPU", "ENGINES", "Answers", "Engine", "Fetch", "cores", "open_engine"]

ENGINES = tuple(FILES)
"""What may compute: torch, and what is exported for others."""


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
