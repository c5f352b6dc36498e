"""A trained network made ready to be asked many times: fused, channels last, always a batch of one size."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bluebird.bundle import Bundle
from bluebird.nets import Network
from bluebird.nets.familiarity import familiarity, novelty
from bluebird.pixels.transforms import eval_transform

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Answers:
    """What the network says of N pictures: `probs` float32 (N, K) and `novelty` float32 (N,), on the CPU."""

    probs: Tensor
    novelty: Tensor


class Engine:
    """Asks the network of a bundle, on `device`.

    Every forward pass takes `batch_size` pictures, the last ones filled up with black, and linear layers take
    every row alike: the arithmetic, and with it the last bit of a score, then depends on the picture alone and
    not on its place or on how many came with it. Convolution and batch norm are one operation.
    """

    def __init__(self, model: Bundle, batch_size: int = 64, device: torch.device = _CPU) -> None:
        self.batch_size = batch_size
        self._device = device
        self._network = _steady(fused(model.network)).to(device).to(memory_format=torch.channels_last)
        self._normalise = eval_transform(model.preprocessing.mean, model.preprocessing.std)
        self._known = torch.tensor(model.familiarity)

    @torch.inference_mode()
    def ask(self, pixels: Tensor) -> Answers:
        """Answers for pixels uint8 (N, 3, S, S), N at most `batch_size`."""
        count = len(pixels)
        padded = torch.zeros(self.batch_size, *pixels.shape[1:], dtype=torch.uint8)
        padded = padded.to(memory_format=torch.channels_last)
        padded[:count] = pixels
        images = self._normalise(padded.to(self._device, non_blocking=True))
        logits = self._network.logits(images)[:count].float()
        strange = novelty(familiarity(logits).cpu(), self._known) if len(self._known) else torch.zeros(count)
        return Answers(logits.softmax(1).cpu(), strange)


def fused(network: Network) -> Network:
    """A copy in which each convolution does the work of the batch norm behind it, to the same result."""
    network = copy.deepcopy(network).eval()
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            _fuse_pairs(module)
    return network


def _fuse_pairs(sequence: nn.Sequential) -> None:
    children = list(sequence.named_children())
    for (first, conv), (second, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(sequence, first, fuse_conv_bn_eval(conv, norm))
            setattr(sequence, second, nn.Identity())


class _SteadyLinear(nn.Module):
    """A linear layer (N, I) to (N, O) that adds up every row in the same order.

    Matrix libraries take a row another way where it does not begin at a multiple of 64 bytes, or is among the
    last few that fill no block of 8. Zeros are added until neither is the case.
    """

    _weight: Tensor
    _bias: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._missing = -linear.in_features % 16
        self.register_buffer("_weight", functional.pad(linear.weight.detach(), (0, self._missing)))
        self.register_buffer("_bias", linear.bias.detach())

    def forward(self, features: Tensor) -> Tensor:
        count = len(features)
        padded = functional.pad(features, (0, self._missing, 0, -count % 8))
        return functional.linear(padded, self._weight, self._bias)[:count]


def _steady(network: Network) -> Network:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Linear):
                setattr(module, name, _SteadyLinear(child))
    return network
