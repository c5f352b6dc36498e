"""What a model says of labelled pictures: all that a report is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from bluebird.bundle import Bundle
from bluebird.engines.engine import AT_ONCE, Engine
from bluebird.errors import DataError
from bluebird.pixels.held_out import Labelled

UNKNOWN = -1
"""The target of a picture of a class that the model does not have."""

Doubles: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
Targets: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Said:
    """What the model says of N pictures: logits (N, K) before the temperature, probs (N, K), features (N, F).

    `targets` (N,) are the classes they were labelled with, `UNKNOWN` where the model has no such class. Features are
    there where somebody compares them, F may be thousands; else F is 0.
    """

    logits: Doubles
    probs: Doubles
    features: Floats
    targets: Targets

    @property
    def known(self) -> NDArray[np.bool_]:
        """Of which pictures the model has the class."""
        known: NDArray[np.bool_] = self.targets != UNKNOWN
        return known


@dataclass(frozen=True)
class Judged:
    """A model before the pictures it is judged by.

    `pixels` is uint8 (M, S, S, 3), and row `rows[i]` of it is picture i; `scores` (N,) are the probabilities of the
    target's classes together, and `relevant` (N,) says which pictures were labelled with one of them.
    """

    model: Bundle
    target: tuple[str, ...]
    data: Labelled
    rows: list[int]
    said: Said
    scores: Doubles
    relevant: NDArray[np.bool_]

    @property
    def wanted(self) -> str:
        """The target in words."""
        return " or ".join(self.target)

    @property
    def columns(self) -> list[int]:
        """The target's classes by their numbers."""
        return [self.model.classes.index(name) for name in self.target]

    def path(self, number: int) -> Path:
        return self.data.paths[self.rows[number]]

    def label(self, number: int) -> str:
        return self.data.labels[self.rows[number]]

    def pictures(self, numbers: Sequence[int]) -> Tensor:
        """uint8 (n, 3, S, S) of some of the pictures."""
        return self.data.pictures([self.rows[number] for number in numbers])


def judge(model: Bundle, engine: Engine, data: Labelled, target: Sequence[str]) -> Judged:
    """Ask the model about the pictures it is to be judged by.

    Raises:
        DataError: none of them was labelled with the target.
    """
    said = ask(model, engine, data, data.judging)
    columns = [model.classes.index(name) for name in target]
    relevant = np.isin(said.targets, columns)
    if not relevant.any():
        names = " or ".join(repr(name) for name in target)
        raise DataError(
            f"no picture of {names} among the {len(relevant):,} to judge by; the folders must be called as the "
            "model's classes are"
        )
    return Judged(model, tuple(target), data, data.judging, said, said.probs[:, columns].sum(1).clip(0, 1), relevant)


def ask(model: Bundle, engine: Engine, data: Labelled, rows: Sequence[int], *, compared: bool | None = None) -> Said:
    """What the model says of some of a folder's pictures, with a bar where that is a terminal.

    Args:
        compared: keep the features (default: where there are pictures of unknown classes).
    """
    numbers = {name: number for number, name in enumerate(model.classes)}
    targets = np.array([numbers.get(data.labels[row], UNKNOWN) for row in rows], np.int64)
    width = None if compared or (compared is None and UNKNOWN in targets) else 0
    parts = []
    with tqdm(total=len(rows), unit=" pictures", disable=None, dynamic_ncols=True, leave=False) as bar:
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            answers = engine.ask(data.pictures(part))
            parts.append((answers.logits, answers.probs, answers.features[:, :width].clone()))
            bar.update(len(part))
    logits, probs, features = (torch.cat(part) for part in zip(*parts, strict=True))
    return Said(logits.double().numpy(), probs.double().numpy(), features.float().numpy(), targets)
