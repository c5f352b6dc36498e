"""Where a trained model looks, laid over pictures, and the words that have to stand beside it."""

from __future__ import annotations

import torch
from torch import Tensor

from bluebird.bundle import Bundle
from bluebird.errors import UsageError
from bluebird.nets.attribution import GRAD_CAM, HIRES_CAM, SALIENCY, attribution
from bluebird.pixels.transforms import eval_transform
from bluebird.watch.overlay import overlay

_AT_ONCE = 2
"""Pictures explained at a time: each needs the memory of its training, and ten looks at it need that of ten."""

_LEGEND = (12, 180)  # height and width, px
_MID_GREY = 128

METHODS = {
    GRAD_CAM: "Grad-CAM (Selvaraju et al. 2017): the places of the network's last map that speak for the class. That "
    "map is coarse, so a spot is wider than what it stands for.",
    HIRES_CAM: "HiResCAM (Draelos and Carin 2020): the places of the network's last map that speak for the class by "
    "what sets them apart from the picture's other places. That map is coarse, so a spot is wider than what it stands "
    "for.",
    SALIENCY: "saliency (Simonyan et al. 2014): the pixels on which the class's score hangs most, up or down. Grad-CAM "
    "needs a network that ends in a map of places, and this one has none.",
}
"""What each method shows, in words for a page."""

COLOURS = (
    "Grey is the picture itself: it has no part in the answer. The colour rises by violet and orange to yellow, where "
    "the part is greatest. Each map has its own greatest, so compare places within a map, never one map with another; "
    "a picture that stays grey all over has no place that speaks for the class."
)
"""What the colours of an overlay mean, in words for a page."""

CAUTION = (
    "Such a map shows where the network looked, not why, and it can mislead: a spot on the bird does not prove that "
    "the bird decided, and another method may point elsewhere. A map is worth something only if it depends on what "
    "was learned: the project's tests give a network random weights and see that its Grad-CAM maps change (a check of "
    "Adebayo et al. 2018)."
)
"""What a reader must be told beside any overlay."""


def explained(model: Bundle, pixels: Tensor, classes: Tensor) -> tuple[Tensor, str]:
    """Pictures uint8 (N, 3, S, S) under the map of where each speaks for its class, and the method's name.

    The overlays are uint8 (N, 3, S, S), on the CPU. The method is a key of `METHODS`, the same for all pictures of a
    model. It is computed on the device of the network, a few at a time.

    Args:
        model: any; its network is left as it was.
        pixels: squares of the side that the network takes.
        classes: int64 (N,), the number of a class for each picture; a picture may come again with another class.

    Raises:
        UsageError: pictures or classes of another shape or range, or no picture.
    """
    if pixels.shape[1:2] != (3,) or classes.shape != (len(pixels),):
        seen = f"pixels is {tuple(pixels.shape)}, classes {tuple(classes.shape)}"
        raise UsageError(f"{seen}; expected (N, 3, S, S) and (N,), one class for each picture")
    look = eval_transform(model.preprocessing.mean, model.preprocessing.std)
    weight = next(model.network.parameters())
    overlays = []
    for squares, wanted in zip(
        torch.split(pixels.to(weight.device), _AT_ONCE), torch.split(classes, _AT_ONCE), strict=True
    ):
        maps, method = attribution(model.network, look(squares).to(weight.dtype), wanted)
        overlays.append(overlay(squares, maps).cpu())
    return torch.cat(overlays), method


def legend() -> Tensor:
    """The colours of an overlay on even grey, from no part on the left to the greatest: uint8 (3, 12, 180)."""
    height, width = _LEGEND
    rising = torch.linspace(0, 1, width).expand(1, height, width)
    return overlay(torch.full((1, 3, height, width), _MID_GREY, dtype=torch.uint8), rising)[0]
