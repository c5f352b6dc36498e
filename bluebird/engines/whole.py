"""A bundle as one module, from the bytes of pictures to probabilities: what every engine computes, and every export."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

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


def fused(model: Bundle) -> Whole:
    """`Whole` with each convolution doing the work of the batch norm behind it, to the same result."""
    whole = Whole(model).requires_grad_(False)
    for convolution, norm in _pairs(whole):
        one, other = whole.get_submodule(convolution), whole.get_submodule(norm)
        assert isinstance(one, nn.Conv2d)
        assert isinstance(other, nn.BatchNorm2d)
        whole.set_submodule(convolution, fuse_conv_bn_eval(one, other))
        whole.set_submodule(norm, nn.Identity())
    return whole


def _pairs(whole: Whole) -> list[tuple[str, str]]:
    """The names of convolutions and of the batch norms that take what these give, and nothing else does.

    torch's own `fuse` would do it anew each time that a network looks at a picture.
    """
    from torch.fx import symbolic_trace  # half a second that an exported network does without

    try:
        nodes = symbolic_trace(whole).graph.nodes
    except Exception:  # a network whose Python cannot be traced stays as it is: slower, and the same
        return []
    takers: dict[str, set[str]] = {}
    for node in nodes:
        for source in node.all_input_nodes:
            takers.setdefault(str(source.target), set()).add(str(node.target) if node.op == "call_module" else "")
    modules = dict(whole.named_modules())
    pairs = [(name, norm) for name, (norm, *others) in takers.items() if not others and _fit(modules, name, norm)]
    norms = [norm for _, norm in pairs]
    return [(name, norm) for name, norm in pairs if norms.count(norm) == 1]


def _fit(modules: dict[str, nn.Module], name: str, norm: str) -> bool:
    return isinstance(modules.get(name), nn.Conv2d) and isinstance(modules.get(norm), nn.BatchNorm2d)


def example(model: Bundle, count: int) -> Tensor:
    """Black pictures, uint8 (`count`, 3, S, S), by which libraries learn the network's shape."""
    side = model.preprocessing.image_size
    return torch.zeros(count, 3, side, side, dtype=torch.uint8)
