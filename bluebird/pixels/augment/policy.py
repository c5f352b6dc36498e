"""Colours, sharpness and position varied by an operation drawn for each picture: TrivialAugment and RandAugment.

torchvision's draw one operation for a whole batch. Called picture by picture they cost four times as much at 32 px,
and keep an accelerator waiting for thousands of small calls; here all pictures of a batch that drew the same operation
go through it together, each at its own magnitude.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.v2 import functional as vision

_BINS = 31
"""Levels from no effect to full effect, both ends included."""

Space = dict[str, tuple[float, float]]
"""The magnitude of each operation at the lowest and at the highest level."""


def trivial_space(side: int) -> Space:
    """Operations and magnitudes of TrivialAugment, wide, for pictures of `side` px."""
    return _space(shear=0.99, px=32.0, degrees=135.0, blend=0.99, bits=2.0)


def rand_space(side: int) -> Space:
    """Operations and magnitudes of RandAugment for pictures of `side` px."""
    return _space(shear=0.3, px=150 / 331 * side, degrees=30.0, blend=0.9, bits=4.0)


def _space(shear: float, px: float, degrees: float, blend: float, bits: float) -> Space:
    space = {"Identity": 0.0, "ShearX": shear, "ShearY": shear, "TranslateX": px, "TranslateY": px, "Rotate": degrees}
    space |= dict.fromkeys(_BLENDS, blend)
    ranges = {name: (0.0, highest) for name, highest in space.items()}
    return ranges | {
        "Posterize": (8.0, bits),
        "Solarize": (1.0, 0.0),
        "AutoContrast": (0.0, 0.0),
        "Equalize": (0.0, 0.0),
    }


class RandomOperations(nn.Module):
    """Varies each picture of a batch uint8 (N, 3, S, S) by operations drawn for it alone.

    Args:
        space: what operations there are for pictures of a side in px, and the range of each.
        count: operations that a picture undergoes, one after another.
        level: how strong they are, from 0 to 30; without it, drawn evenly.
        fill: three values 0 to 255 for what comes into view from beyond the edge.

    Source: Müller and Hutter 2021 (arXiv 2103.10158), the wide space: one operation at any level; Cubuk et al. 2019
    (arXiv 1909.13719): two operations at level 9. Operations and magnitudes are those of torchvision's
    `TrivialAugmentWide` and `RandAugment`, bilinear.
    """

    def __init__(self, space: Callable[[int], Space], count: int, level: int | None, fill: Sequence[float]) -> None:
        super().__init__()
        self.space = space
        self.count = count
        self.level = level
        self.fill = [float(round(value)) for value in fill]

    def forward(self, images: Tensor) -> Tensor:
        for _ in range(self.count):
            images = self._vary(images)
        return images

    def _vary(self, images: Tensor) -> Tensor:
        n, space = len(images), self.space(images.shape[-1])
        # drawn on the CPU: how many pictures drew what has to be known there
        drawn = torch.randint(len(space), (n,))
        level = torch.randint(_BINS, (n,)) if self.level is None else torch.full((n,), self.level)
        sign = 2 * torch.randint(2, (n,)) - 1
        varied = images.clone()
        for number, (name, (lowest, highest)) in enumerate(space.items()):
            rows = (drawn == number).nonzero().flatten()
            if len(rows):
                magnitude = torch.linspace(lowest, highest, _BINS)[level[rows]]
                if name not in _ONE_WAY:
                    magnitude *= sign[rows]
                rows = rows.to(images.device)
                varied[rows] = operate(name, images[rows], magnitude.to(images.device), self.fill)
        return varied


def trivial_augment(fill: Sequence[float]) -> RandomOperations:
    """One operation at any level, by TrivialAugment."""
    return RandomOperations(trivial_space, count=1, level=None, fill=fill)


def rand_augment(fill: Sequence[float]) -> RandomOperations:
    """Two operations at level 9, by RandAugment."""
    return RandomOperations(rand_space, count=2, level=9, fill=fill)


def operate(name: str, images: Tensor, magnitude: Tensor, fill: Sequence[float]) -> Tensor:
    """Pictures uint8 (N, 3, S, S) after the operation `name`, each at its own magnitude (N,)."""
    if name in _INVERSES:
        return _warp(images, _INVERSES[name](magnitude, images.shape[-1]), fill)
    magnitude = magnitude[:, None, None, None]
    if name in _BLENDS:
        return _blend(images, _BLENDS[name](images), 1 + magnitude)
    return _OTHERS[name](images, magnitude)


def _warp(images: Tensor, inverse: Sequence[Tensor | float], fill: Sequence[float]) -> Tensor:
    """Each picture seen through its map from places in the result to places in it, row by row; a side spans -1 to 1."""
    n, channels, _, _ = images.shape
    entries = [torch.as_tensor(entry, dtype=torch.float32, device=images.device).expand(n) for entry in inverse]
    grid = functional.affine_grid(torch.stack(entries, 1).view(n, 2, 3), list(images.shape), align_corners=False)
    inside = images.new_ones(n, 1, *images.shape[2:])
    seen = functional.grid_sample(torch.cat([images, inside], 1).float(), grid, align_corners=False)
    pixels, inside = seen[:, :channels], seen[:, channels:]
    beyond = torch.tensor(fill, device=images.device).view(1, -1, 1, 1)
    # as torchvision has it: at the edge `pixels` is dimmed already, and is dimmed once more
    return (inside * (pixels - beyond) + beyond).round().to(torch.uint8)


def _blend(images: Tensor, dull: Tensor, factor: Tensor) -> Tensor:
    """Away from the dull picture by `factor`: 0 is the dull one, 1 the picture itself."""
    return torch.lerp(dull.float(), images.float(), factor).clamp_(0, 255).to(torch.uint8)


def _posterize(images: Tensor, bits: Tensor) -> Tensor:
    return images & (256 - 2 ** (8 - bits.round().int())).to(torch.uint8)


def _mean_grey(images: Tensor) -> Tensor:
    grey: Tensor = vision.rgb_to_grayscale(images)
    return grey.float().mean((1, 2, 3), keepdim=True)


def _rotated(degrees: Tensor, side: int) -> list[Tensor | float]:
    cos, sin = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    return [cos, -sin, 0.0, sin, cos, 0.0]


_INVERSES: dict[str, Callable[[Tensor, int], list[Tensor | float]]] = {
    "ShearX": lambda m, side: [1.0, m, m, 0.0, 1.0, 0.0],  # the upper left corner stays where it is
    "ShearY": lambda m, side: [1.0, 0.0, 0.0, m, 1.0, m],
    "TranslateX": lambda px, side: [1.0, 0.0, -2 / side * px.trunc(), 0.0, 1.0, 0.0],
    "TranslateY": lambda px, side: [1.0, 0.0, 0.0, 0.0, 1.0, -2 / side * px.trunc()],
    "Rotate": _rotated,
}
_BLENDS: dict[str, Callable[[Tensor], Tensor]] = {  # what lies at the dull end
    "Brightness": torch.zeros_like,
    "Color": vision.rgb_to_grayscale,
    "Contrast": _mean_grey,
    "Sharpness": lambda images: vision.adjust_sharpness(images, 0.0),
}
_OTHERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Identity": lambda images, _: images,
    "Posterize": _posterize,
    "Solarize": lambda images, m: torch.where(images >= 255 * m, 255 - images, images),
    "AutoContrast": lambda images, _: vision.autocontrast(images),
    "Equalize": lambda images, _: vision.equalize(images),
}
_ONE_WAY = ("Posterize", "Solarize")
