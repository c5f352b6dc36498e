"""What each peer learns from, and when it has to be done: photos and weights in, probabilities for test photos out."""

from __future__ import annotations

import copy
import itertools
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

WARM_UP, MEASURED = 4, 8
"""Steps that are not counted, for whatever starts and fills up, and steps that are."""
MARGIN = 1.5
"""By which evaluation may take longer than was measured: workers read ahead in time for learning, not for looking."""
HASTE = 1.5
"""By which later steps may be faster than those that were measured, with nothing of the minutes left unused."""
ENDING_SECONDS = 2
"""For writing the answers and for processes that end."""


@dataclass(frozen=True)
class Plan:
    """How many epochs fit, by the first steps, and when the last step has to be done, on the clock of time.time.

    Args:
        epochs: that fit.
        begins: when training does.
        ends: when its last step has to be done.
        rehearsed: seconds that planning took, which count for none of the minutes.
    """

    epochs: int
    begins: float
    ends: float
    rehearsed: float

    @property
    def at_most(self) -> int:
        """Epochs to ask for: more than will fit, so that the clock ends them."""
        return math.ceil(HASTE * self.epochs)

    def passed(self) -> float:
        """Share of the time for training that has passed, at most 1: a schedule follows it where the steps do not."""
        return min(1.0, (time.time() - self.begins) / max(self.ends - self.begins, 1e-3))


class Rehearsal:
    """A network of which nothing is kept, and how it learns from a batch and looks at one.

    Args:
        network: is copied.
        loss: of the copy on a batch.
    """

    def __init__(self, network: nn.Module, loss: Callable[[nn.Module, Any], Tensor]) -> None:
        self._network, self._loss = copy.deepcopy(network), loss

    def learn(self, batch: Any) -> None:
        self._loss(self._network.train(), batch).backward()

    @torch.inference_mode()
    def look(self, batch: Any) -> None:
        self._loss(self._network.eval(), batch)


@dataclass(frozen=True)
class Learning:
    """One run of one peer, from a JSON file.

    Args:
        photos: a folder with train/CLASS, val/CLASS and test/CLASS.
        network: a name of torchvision's.
        weights: its state dict; the head may have any number of classes. None: weights are drawn.
        same_padding: strided convolutions pad as TensorFlow does.
        mean: for each channel, on the scale 0 to 1.
        std: likewise.
        side: of the photos in px, as the network sees them.
        minutes: from the start of the process to the answers.
        started: when that was, on the clock of time.time.
        seed: of whatever is drawn.
        lr: the learning rate; None: the peer's own.
        out: the .npz file to write.
    """

    photos: str
    network: str
    weights: str | None
    same_padding: bool
    mean: list[float]
    std: list[float]
    side: int
    minutes: float
    started: float
    seed: int
    lr: float | None
    out: str

    def body(self) -> nn.Module:
        """The network (N, 3, S, S) to what its last linear layer would take, (N, F)."""
        network, path = self._network()
        network.set_submodule(path, nn.Identity())
        if self.weights:
            state = torch.load(self.weights, weights_only=True)
            network.load_state_dict({name: state[name] for name in network.state_dict()})
        return self.as_learnt(network)

    def classifier(self) -> nn.Module:
        """The same with a last linear layer (N, K) whose weights are drawn."""
        network, path = self._network()
        width = network.get_submodule(path).in_features
        network = self.body()
        network.set_submodule(path, nn.Linear(width, len(self.classes())))
        return network

    def _network(self) -> tuple[nn.Module, str]:
        from torchvision import models

        network: nn.Module = models.get_model(self.network, weights=None)
        return network, [path for path, module in network.named_modules() if isinstance(module, nn.Linear)][-1]

    def as_learnt(self, network: nn.Module) -> nn.Module:
        """The network as its weights want it.

        Strided convolutions pad as TensorFlow's do where that is asked for. Where the statistics of batch norm were
        multiplied into the kernels, those of a batch would undo every layer: such norms stay in evaluation for good.
        """
        for module in network.modules():
            strided = isinstance(module, nn.Conv2d) and module.stride == (2, 2) and module.padding != (0, 0)
            if self.same_padding and strided:
                module.padding = (0, 0)
                module.register_forward_pre_hook(pad_right_and_below)
            if self.weights and isinstance(module, nn.BatchNorm2d) and says_nothing(module):
                module.register_forward_pre_hook(in_evaluation)
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

    def plan(self, loader: Any, rehearsal: Rehearsal, batch_size: int, before: float = 0.0) -> Plan:
        """As many epochs as fit into what is left, with their validation and the answers, by the first steps.

        Args:
            loader: an epoch of batches.
            rehearsal: the training, of a network that is thrown away.
            batch_size: photos in a batch.
            before: what comes before these epochs, in epochs.
        """
        started = time.time()
        learning, looking = self._seconds_a_step(loader, rehearsal)
        val, test = (MARGIN * looking * len(self.files(split)[0]) / batch_size for split in ("val", "test"))
        epoch = learning * len(loader) + val
        # val twice: after the last step, and of the best epoch, which Ultralytics judges once more
        begins, after = time.time(), 2 * val + test + ENDING_SECONDS
        rehearsed = begins - started
        ends = max(begins, self.started + 60 * self.minutes + rehearsed - after)
        return Plan(max(1, round((ends - begins) / epoch - before)), begins, ends, rehearsed)

    def _seconds_a_step(self, loader: Any, rehearsal: Rehearsal) -> tuple[float, float]:
        """Of learning from a batch and of looking at one, both with the wait for it."""
        times: list[tuple[float, float, float]] = []
        last = time.time()
        for batch in itertools.islice(loader, WARM_UP + MEASURED):
            waited = time.time() - last
            times.append((waited, _seconds(rehearsal.learn, batch), _seconds(rehearsal.look, batch)))
            last = time.time()
        wait, learning, looking = np.mean(times[WARM_UP:] or times, axis=0)
        return wait + learning, wait + looking

    def write(self, probs: Tensor, note: str, rehearsed: float = 0.0) -> None:
        """Probabilities (N, K) of `files("test")`, what was done in a word, and the seconds that do not count."""
        np.savez(self.out, probs=probs.float().numpy(), note=note, rehearsed=rehearsed)


def _seconds(does: Callable[[Any], object], batch: Any) -> float:
    began = time.time()
    does(batch)
    return time.time() - began


def pad_right_and_below(_: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    return functional.pad(inputs[0], (0, 1, 0, 1))


def says_nothing(norm: nn.BatchNorm2d) -> bool:
    return bool(norm.running_mean.abs().max() < 1e-6 and (norm.running_var - 1).abs().max() < 1e-3)


def in_evaluation(norm: nn.Module, _: tuple[Tensor]) -> None:
    norm.training = False


def given() -> Learning:
    """The job whose file the command line names."""
    return Learning(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
