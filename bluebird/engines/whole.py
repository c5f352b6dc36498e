"""A bundle as one module, from the bytes of pictures to probabilities: what every engine computes, and every export."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from bluebird.bundle import Bundle


class Whole(nn.Module):
    """Normalises, and asks the network.

    Takes pixels uint8 (N, 3, S, S). Gives what `OUTPUTS` names, all float32: probs (N, K), logits (N, K) and
    features (N, F).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, model: Bundle) -> None:
        super().__init__()
        given = model.preprocessing
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (given.mean, given.std))
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)
        self.temperature = model.temperature
        self.network = copy.deepcopy(model.network).float().eval()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.network.features(pixels.float() * self.scale + self.shift)
        logits = self.network.decide(features)
        return (logits / self.temperature).softmax(1), logits, features


OUTPUTS = ("probs", "logits", "features")


def fused(model: Bundle) -> nn.Module:
    """`Whole` with each convolution doing the work of the batch norm behind it, to the same result."""
    from torch.fx.experimental.optimization import fuse  # half a second that an exported network does without

    whole = Whole(model).requires_grad_(False)
    try:
        return fuse(whole)
    except Exception:  # a network whose Python cannot be traced stays as it is: slower, and the same
        return whole


def example(model: Bundle, count: int) -> Tensor:
    """Black pictures, uint8 (`count`, 3, S, S), by which libraries learn the network's shape."""
    side = model.preprocessing.image_size
    return torch.zeros(count, 3, side, side, dtype=torch.uint8)
