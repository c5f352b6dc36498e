"""Pixels on their way to a network: one path for looking, another for learning.

`train_transform` and `eval_transform` take a batch of squares (`squeeze`) to the normalised float images of
the contract; only the first of them changes a picture at random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torchvision.transforms import v2

from bluebird.errors import UsageError
from bluebird.pixels.augment.erase import RandomErasing
from bluebird.pixels.augment.geometry import RandomCrops, RandomFlips, RandomShifts, RandomZooms
from bluebird.pixels.augment.policy import rand_augment, trivial_augment


def eval_transform(mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """uint8 (N, 3, S, S) to normalised float32 of the same shape: (x / 255 - mean) / std per channel."""
    return nn.Sequential(v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std, inplace=True))


@dataclass(frozen=True)
class Augment:
    """How a training picture is varied, each picture of a batch on its own; only mixing is one for a batch.

    Args:
        flip: mirror every second picture left to right.
        shift: move by up to this share of the side in each direction; the border is mirrored.
        zoom: enlarge by up to this share of the side (0.25: at least 75 % of each side stays in view).
        aspect: crop a rectangle anywhere in the picture, of a height to width from 1 - this share to its inverse
            (0.25: 3:4 to 4:3) and an area of at least (1 - zoom)², and stretch it to the square; `shift` then moves it.
        policy: vary colours and position by operations drawn for each picture: trivial (TrivialAugment, wide) or
            rand (RandAugment).
        erase: probability that a random rectangle of the picture is hidden behind the mean colour.
        mixup: blend each picture with another of its batch, and the targets likewise, by a share drawn from a beta
            distribution with this alpha (0.2 is usual); 0: never.
        cutmix: paste a rectangle of another picture, likewise (1.0 is usual). With both, a coin decides for a batch.
    """

    flip: bool = True
    shift: float = 0.1
    zoom: float = 0.2
    aspect: float = 0.0
    policy: Literal["none", "trivial", "rand"] = "none"
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name in ("shift", "zoom", "aspect"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise UsageError(f"augment.{name} is {value}; expected a share from 0 up to, not including, 1")
        if self.aspect and not self.zoom:
            raise UsageError(
                f"augment.aspect is {self.aspect} and augment.zoom 0: a crop of the whole area is square; raise zoom"
            )
        if self.policy not in ("none", "trivial", "rand"):
            raise UsageError(f"augment.policy is {self.policy!r}; expected none, trivial or rand")
        if not 0 <= self.erase <= 1:
            raise UsageError(f"augment.erase is {self.erase}; expected a probability from 0 to 1")
        for name in ("mixup", "cutmix"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise UsageError(f"augment.{name} is {value}; expected 0 or a finite number above it")


def train_transform(mean: Sequence[float], std: Sequence[float], augment: Augment) -> nn.Module:
    """Like `eval_transform`, with the random variations of `augment`, but for those that mix pictures."""
    steps: list[nn.Module] = []
    if augment.flip:
        steps.append(RandomFlips())
    if augment.shift and not augment.zoom:
        steps.append(RandomShifts(augment.shift))
    if augment.policy != "none":
        policy = trivial_augment if augment.policy == "trivial" else rand_augment
        steps.append(policy([255 * value for value in mean]))
    steps.append(v2.ToDtype(torch.float32, scale=True))
    if augment.zoom and augment.aspect:
        steps.append(RandomCrops(augment.zoom, augment.aspect, augment.shift))
    elif augment.zoom:
        steps.append(RandomZooms(augment.zoom, augment.shift))
    steps.append(v2.Normalize(mean, std, inplace=True))
    if augment.erase:
        steps.append(RandomErasing(augment.erase))
    return nn.Sequential(*steps)
