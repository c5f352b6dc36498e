"""What each peer is given and gives back: photos and a network in, probabilities out."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Job:
    """One run of one peer, from a JSON file.

    Args:
        photos: a folder of JPEG files.
        network: a name of torchvision's; empty: a TorchScript file is all there is.
        weights: that TorchScript file, or the state dict of torchvision's network, head included.
        num_classes: K.
        image_size: side S in px to which the whole photo is squashed.
        mean: for each channel, on the scale 0 to 1.
        std: likewise.
        out: the .npz file to write.
    """

    photos: str
    network: str
    weights: str
    num_classes: int
    image_size: int
    mean: list[float]
    std: list[float]
    out: str

    def files(self) -> list[str]:
        """The photos' paths, by name."""
        return sorted(entry.path for entry in os.scandir(self.photos))

    def build(self) -> nn.Module:
        """The network (N, 3, S, S) to logits (N, K), with its weights, for evaluation."""
        if not self.network:
            scripted: nn.Module = torch.jit.load(self.weights)
            return scripted
        from torchvision import models

        network: nn.Module = models.get_model(self.network, weights=None, num_classes=self.num_classes)
        network.load_state_dict(self.state())
        return network.eval()

    def state(self) -> dict[str, Tensor]:
        """The weights by torchvision's names."""
        state: dict[str, Tensor] = torch.load(self.weights, weights_only=True)
        return state

    def write(self, files: list[str], probs: Tensor) -> None:
        """Write the names of `files` and their probabilities (N, K)."""
        names = [os.path.basename(file) for file in files]  # noqa: PTH119 - thousands of them
        np.savez(self.out, names=np.array(names), probs=probs.numpy().astype(np.float32))


def given() -> Job:
    """The job whose file is this program's only argument."""
    return Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
