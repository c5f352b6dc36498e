"""The whole picture as a small square, the same for training, validation, test and search."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate


def squeeze(image: Tensor, image_size: int) -> Tensor:
    """The whole picture as a square: uint8 (3, H, W) to uint8 (3, S, S), bilinear and antialiased.

    Sides are scaled each by its own factor rather than cropped: a search may not lose the bird that
    sits at the edge of the picture. Without torchvision, which does the same and takes seconds to load.
    """
    side = (image_size, image_size)
    if image.shape[-2:] == side:
        return image
    square: Tensor = interpolate(image[None], side, mode="bilinear", antialias=True)[0]
    return square
