"""Trained networks made ready to be asked millions of times: by torch, ONNX Runtime or OpenVINO, in as many threads
as there are cores."""

from __future__ import annotations

import os

FILES = {
    "torch": ("model.pt2",),
    "onnx": ("model.onnx",),
    "openvino": ("model.xml", "model.bin"),
    "openvino-int8": ("model.int8.xml", "model.int8.bin"),
}
"""What an export for each library is written to, beside the bundle."""

ENGINES = tuple(FILES)
"""What may compute: torch, and what is exported for others."""


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
