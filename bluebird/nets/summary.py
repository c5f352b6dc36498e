"""The shape of the data through a network, layer by layer, and what each layer costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.backends import mha
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bluebird.nets.network import Network


@dataclass(frozen=True)
class LayerCost:
    """One layer for one picture: where it stands, the shape it gives, parameters, multiply-adds."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


def layer_costs(network: Network) -> list[LayerCost]:
    """The costs of each leaf layer, in the order in which one picture of `image_size` passes them, and of each module
    that multiplies beside its layers, as an attention does.

    The network comes out as it went in: its mode, batch statistics and random state are untouched.
    """
    costs: list[LayerCost] = []
    counter = FlopCounterMode(display=False)
    names = {module: name for name, module in network.named_modules()}

    flops = 0

    def after(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        nonlocal flops
        if list(module.children()) and counter.get_total_flops() == flops:
            return
        multiply_adds = (counter.get_total_flops() - flops) // 2  # a multiplication and an addition are two
        flops = counter.get_total_flops()
        parameters = sum(p.numel() for p in module.parameters(recurse=False))
        shape = tuple((output if isinstance(output, Tensor) else output[0]).shape[1:])
        costs.append(LayerCost(names[module], type(module).__name__, shape, parameters, multiply_adds))

    parameter = next(network.parameters())
    side = network.image_size
    with _after_each_module(network, after), _evaluating(network), _counted_attention(), torch.no_grad(), counter:
        network(torch.zeros(1, 3, side, side, device=parameter.device, dtype=parameter.dtype))
    return costs


def layer_table(network: Network) -> str:
    """`layer_costs` as aligned text with a total, for people."""
    costs = layer_costs(network)
    side = network.image_size
    head = ("layer", "type", "output", "parameters", "multiply-adds")
    rows = [(c.name, c.kind, " x ".join(map(str, c.shape)), f"{c.parameters:,}", f"{c.multiply_adds:,}") for c in costs]
    parameters = sum(p.numel() for p in network.parameters())
    multiply_adds = sum(c.multiply_adds for c in costs)
    total = (type(network).__name__, "", f"{network.num_classes}", f"{parameters:,}", f"{multiply_adds:,}")
    lines = [head, ("pixels", "", f"3 x {side} x {side}", "", ""), *rows, total]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = [
        "  ".join([*(f"{line[c]:<{widths[c]}}" for c in (0, 1)), *(f"{line[c]:>{widths[c]}}" for c in (2, 3, 4))])
        for line in lines
    ]
    rule = "-" * (sum(widths) + 2 * (len(head) - 1))
    return "\n".join([text[0], rule, *text[1:-1], rule, text[-1]])


@contextmanager
def _after_each_module(network: Network, hook: Callable[..., None]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module in network.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _counted_attention() -> Iterator[None]:
    """Attention as single products: fused ones, which evaluation takes, the counter does not know."""
    fused = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        mha.set_fastpath_enabled(fused)


@contextmanager
def _evaluating(network: Network) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
