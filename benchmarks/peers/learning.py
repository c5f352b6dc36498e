"""What each peer learns from: class folders of photos and weights in, probabilities for test photos out."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Learning:
    """One run of one peer, from a JSON file.

    Args:
        photos: a folder with train/CLASS and test/CLASS.
        network: a name of torchvision's.
        weights: its state dict; the head may have any number of classes.
        same_padding: strided convolutions pad as TensorFlow does.
        mean: for each channel, on the scale 0 to 1.
        std: likewise.
        minutes: from the start of the process to the answers.
        seed: of whatever is drawn.
        out: the .npz file to write.
    """

    photos: str
    network: str
    weights: str
    same_padding: bool
    mean: list[float]
    std: list[float]
    minutes: float
    seed: int
    out: str

    def body(self) -> nn.Module:
        """The network (N, 3, S, S) to what its last linear layer would take, (N, F)."""
        from torchvision import models

        network: nn.Module = models.get_model(self.network, weights=None)
        path, _ = [pair for pair in network.named_modules() if isinstance(pair[1], nn.Linear)][-1]
        state = torch.load(self.weights, weights_only=True)
        network.set_submodule(path, nn.Identity())
        network.load_state_dict({name: state[name] for name in network.state_dict()})
        if self.same_padding:
            for module in network.modules():
                if isinstance(module, nn.Conv2d) and module.stride == (2, 2) and module.padding != (0, 0):
                    module.padding = (0, 0)
                    module.register_forward_pre_hook(lambda _, inputs: functional.pad(inputs[0], (0, 1, 0, 1)))
        return network

    def classes(self) -> list[str]:
        return sorted(folder.name for folder in (Path(self.photos) / "train").iterdir())

    def files(self, split: str) -> tuple[list[Path], list[int]]:
        """All photos of a split by class and name, and the numbers of their classes."""
        pairs = [
            (file, number)
            for number, label in enumerate(self.classes())
            for file in sorted((Path(self.photos) / split / label).iterdir())
        ]
        files, targets = zip(*pairs, strict=True)
        return list(files), list(targets)

    def seconds_left(self) -> float:
        return 60 * self.minutes - (time.time() - STARTED)

    def write(self, probs: Tensor, note: str) -> None:
        """Probabilities (N, K) of `files("test")`, and what was done in a word."""
        np.savez(self.out, probs=probs.float().numpy(), note=note)


STARTED = time.time()


def given() -> Learning:
    """The job whose file the command line names."""
    return Learning(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
