"""The network in the hands of OpenVINO, on the CPU."""

from __future__ import annotations

import threading
from pathlib import Path

import torch
from torch import Tensor

from bluebird.engines import cores
from bluebird.engines.libraries import library
from bluebird.engines.whole import OUTPUTS


class OpenVino:
    """Asks an exported file; it has as many streams as there are cores, one thread in each."""

    def __init__(self, file: Path) -> None:
        self.streams = cores()
        settings = {
            "NUM_STREAMS": self.streams,
            "INFERENCE_NUM_THREADS": self.streams,
            "INFERENCE_PRECISION_HINT": "f32",  # else it rounds to bfloat16 wherever the CPU can
        }
        self._compiled = library("openvino").Core().compile_model(str(file), "CPU", settings)
        self._thread = threading.local()

    def enter_thread(self) -> None:
        torch.set_num_threads(1)
        self._thread.request = self._compiled.create_infer_request()

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs = self._thread.request.infer({"pixels": pixels.contiguous().numpy()})
        probs, logits, features = (torch.from_numpy(outputs[name].copy()) for name in OUTPUTS)
        return probs, logits, features
