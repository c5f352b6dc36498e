"""What part of a picture is seen: mirrored, moved, enlarged, cropped."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bluebird.pixels.augment.box import draw_boxes


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
        n, device = len(images), images.device
        window = 1 - self.zoom * torch.rand(n, 1, device=device)
        centre = 2 * self.shift * (2 * torch.rand(2, n, 1, device=device) - 1)  # the side spans -1 to 1
        return show_windows(images, window.expand(2, n, 1), centre.flip(0))


class RandomCrops(nn.Module):
    """Shows a random rectangle of each float picture of a batch (N, C, S, S), stretched to full size.

    Its area is at least (1 - `zoom`)² of the picture, its height to width between 1 - `aspect` and
    1 / (1 - `aspect`), and it lies anywhere within the picture; then it is moved by up to `shift` of the side,
    and what it sees beyond the edge is the picture mirrored.

    Source: torchvision's `RandomResizedCrop`, whose defaults are `aspect` 0.25 and `zoom` 0.717. Its rectangles
    end at whole pixels, these anywhere; it has no shift.
    """

    def __init__(self, zoom: float, aspect: float, shift: float) -> None:
        super().__init__()
        self.area = ((1 - zoom) ** 2, 1.0)
        self.ratio = (1 - aspect, 1 / (1 - aspect))
        self.shift = shift

    def forward(self, images: Tensor) -> Tensor:
        n, device = len(images), images.device
        sides, fit = draw_boxes(n, self.area, self.ratio, 1.0, device)
        sides = torch.where(fit, sides, 1.0)[:, :, None]  # (2, N, 1)
        room = 1 - sides
        centre = (room + 2 * self.shift) * (2 * torch.rand(2, n, 1, device=device) - 1)
        return show_windows(images, sides, centre)


def show_windows(images: Tensor, sides: Tensor, centres: Tensor) -> Tensor:
    """A window of each picture (N, C, S, S), stretched to (S, S), bilinear; beyond the edge the picture is mirrored.

    Args:
        images: float.
        sides: heights and widths (2, N, 1) as shares of the picture's.
        centres: where the middle of each lies, down and right (2, N, 1); the picture spans -1 to 1.
    """
    n, _, side, _ = images.shape
    places = (2 * torch.arange(side, device=images.device) + 1) / side - 1  # the middle of each pixel
    y, x = sides * places + centres  # (N, S) each
    grid = torch.stack([x[:, None, :].expand(n, side, side), y[:, :, None].expand(n, side, side)], dim=-1)
    shown = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return shown.contiguous(memory_format=torch.channels_last)
