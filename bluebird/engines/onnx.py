"""The network in the hands of ONNX Runtime, on the CPU."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from bluebird.engines import cores
from bluebird.engines.libraries import library
from bluebird.engines.whole import OUTPUTS


class Onnx:
    """Asks an exported file; each of as many threads as cores computes alone."""

    def __init__(self, file: Path) -> None:
        runtime = library("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.streams = cores()
        self._session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def enter_thread(self) -> None:
        torch.set_num_threads(1)  # for what is left to torch: filling up, novelty

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs = self._session.run(OUTPUTS, {"pixels": pixels.contiguous().numpy()})
        probs, logits, features = map(torch.from_numpy, outputs)
        return probs, logits, features
