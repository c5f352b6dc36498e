"""Pixels on their way to a network: one path for looking, another for learning.

`train_transform` and `eval_transform` take a batch of squares (`squeeze`) to the normalised float images of
the contract; only the first of them changes a picture at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms import v2

from bluebird.errors import UsageError


def eval_transform(mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """uint8 (N, 3, S, S) to normalised float32 of the same shape: (x / 255 - mean) / std per channel."""
    return nn.Sequential(v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std, inplace=True))


@dataclass(frozen=True)
class Augment:
    """How a training picture is varied, each picture of a batch on its own.

    Args:
        flip: mirror every second picture left to right.
        shift: move by up to this share of the side in each direction; the border is mirrored.
        zoom: enlarge by up to this share of the side (0.25: at least 75 % of each side stays in view).
    """

    flip: bool = True
    shift: float = 0.1
    zoom: float = 0.2

    def __post_init__(self) -> None:
        for name, value in (("shift", self.shift), ("zoom", self.zoom)):
            if not 0 <= value < 1:
                raise UsageError(f"augment.{name} is {value}; expected a share from 0 up to, not including, 1")


def train_transform(mean: Sequence[float], std: Sequence[float], augment: Augment) -> nn.Module:
    """Like `eval_transform`, with the random variations of `augment`."""
    steps: list[nn.Module] = []
    if augment.flip:
        steps.append(RandomFlips())
    if augment.shift and not augment.zoom:
        steps.append(RandomShifts(augment.shift))
    steps.append(v2.ToDtype(torch.float32, scale=True))
    if augment.zoom:
        steps.append(RandomZooms(augment.zoom, augment.shift))
    return nn.Sequential(*steps, v2.Normalize(mean, std, inplace=True))


# The transforms of torchvision draw once for a whole batch; these draw for each picture of it.


class RandomFlips(nn.Module):
    """Mirrors each picture of a batch (N, C, H, W) left to right with probability one half."""

    def forward(self, images: Tensor) -> Tensor:
        flipped = torch.rand(len(images), device=images.device) < 0.5
        return torch.where(flipped[:, None, None, None], images.flip(-1), images)


class RandomShifts(nn.Module):
    """Moves each picture of a batch (N, C, S, S) by whole pixels, up to `share` of its side.

    What comes into view is the picture mirrored at its edge.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, images: Tensor) -> Tensor:
        n, _, side, _ = images.shape
        reach = round(self.share * side)
        offset = torch.randint(-reach, reach + 1, (2, n, 1), device=images.device)
        rows, cols = _mirror(torch.arange(side, device=images.device) + offset, side)  # (N, S) each
        picture = torch.arange(n, device=images.device)[:, None, None]
        channels_last = images.permute(0, 2, 3, 1)  # (N, S, S, C)
        return channels_last[picture, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)


def _mirror(index: Tensor, side: int) -> Tensor:
    """Indices beyond either edge, reflected back inside: ... 2 1 [0 1 2 ... side-1] side-2 ..."""
    last = side - 1
    return last - (last - index.abs()).abs()


class RandomZooms(nn.Module):
    """Shows a random square window of each float picture of a batch (N, C, S, S), at full size.

    The window has at least 1 - `zoom` of the side, and its centre lies up to `shift` of the side off
    the picture's; what it sees beyond the edge is the picture mirrored.
    """

    def __init__(self, zoom: float, shift: float) -> None:
        super().__init__()
        self.zoom = zoom
        self.shift = shift

    def forward(self, images: Tensor) -> Tensor:
        n, _, side, _ = images.shape
        device = images.device
        window = 1 - self.zoom * torch.rand(n, 1, device=device)
        centre = 2 * self.shift * (2 * torch.rand(2, n, 1, device=device) - 1)  # the side spans -1 to 1
        places = (2 * torch.arange(side, device=device) + 1) / side - 1  # the middle of each pixel
        x, y = window * places + centre  # (N, S) each
        grid = torch.stack([x[:, None, :].expand(n, side, side), y[:, :, None].expand(n, side, side)], dim=-1)
        zoomed = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
        return zoomed.contiguous(memory_format=torch.channels_last)
