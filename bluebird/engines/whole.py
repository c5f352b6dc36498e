"""A bundle as one module, from the bytes of pictures to probabilities: what every engine computes, and every export."""

from __future__ import annotations

import copy
from collections import Counter

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bluebird.bundle import Bundle
from bluebird.nets.convolution import Convolution3x3


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


def fused(model: Bundle) -> Whole:
    """`Whole` with each convolution doing the work of the batch norm behind it, to the same result."""
    whole = Whole(model).requires_grad_(False)
    for convolution, norm in _pairs(whole):
        both = fuse_conv_bn_eval(whole.get_submodule(convolution), whole.get_submodule(norm))  # type: ignore[arg-type,type-var]
        whole.set_submodule(convolution, both)
        whole.set_submodule(norm, nn.Identity())
    return whole


def _pairs(whole: Whole) -> list[tuple[str, str]]:
    """The names of convolutions and of the batch norms behind them: the one gives to nothing else, the other takes
    from nothing else.

    torch's own `fuse` would do it anew each time that a network looks at a picture.
    """
    from torch.fx import Tracer  # half a second that an exported network does without

    class Unopened(Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return isinstance(m, Convolution3x3) or super().is_leaf_module(m, module_qualified_name)

    try:
        nodes = Unopened().trace(whole).nodes
    except Exception:  # a network whose Python cannot be traced stays as it is: slower, and the same
        return []
    links = {(str(source.target), str(node.target)) for node in nodes for source in node.all_input_nodes}
    gives, takes = Counter(name for name, _ in links), Counter(norm for _, norm in links)
    modules = dict(whole.named_modules())
    return [
        (name, norm)
        for name, norm in sorted(links)
        if gives[name] == takes[norm] == 1 and _fit(modules.get(name), modules.get(norm))
    ]


def _fit(convolution: nn.Module | None, norm: nn.Module | None) -> bool:
    """Whether they are these, and the norm has statistics. What is neither torch's own nor ours, as timm's norms that
    activate too, was opened while tracing and is not met here."""
    return isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats


def example(model: Bundle, count: int) -> Tensor:
    """Black pictures, uint8 (`count`, 3, S, S), by which libraries learn the network's shape."""
    side = model.preprocessing.image_size
    return torch.zeros(count, 3, side, side, dtype=torch.uint8)
