"""Which parameters move at which rate: weight decay for some, a lower learning rate the nearer the pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim import Optimizer

from bluebird.errors import UsageError
from bluebird.nets.network import Network

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]


def build_optimizer(make: OptimizerFactory, network: Network, layer_decay: float = 1.0) -> Optimizer:
    """The optimiser of a network, its parameters in groups.

    Weight decay holds for matrices and kernels; none for biases and scales, which have one axis. Below 1,
    `layer_decay` multiplies the learning rate of each part of a `Backbone` once more the further it lies from the
    head, which has the full rate: part i of n, from 0 at the pixels, learns at layer_decay ** (n - i) of it.

    Raises:
        UsageError: `layer_decay` is out of range, or below 1 for a network that has no parts.

    Source: discriminative fine-tuning, Howard & Ruder 2018 (ULMFiT, arXiv 1801.06146), section 3.2; as one factor
    from layer to layer Clark et al. 2020 (ELECTRA, arXiv 2003.10555), appendix B, and Bao et al. 2021 (BEiT,
    arXiv 2106.08254). They count the embedding and the blocks; here parts are what `Backbone.blocks` says.
    """
    if layer_decay == 1:
        return make(_by_decay(network.parameters()))
    check_layer_decay(network, layer_decay)
    groups = [group for name, part, rate in _rates(network, layer_decay) for group in _named(name, part, rate)]
    optimizer = make(groups)
    for group in optimizer.param_groups:
        group["lr"] *= group.pop("lr_scale")  # only now is the optimiser's own rate known
    return optimizer


def check_layer_decay(network: Network, layer_decay: float) -> None:
    """Raise `UsageError` unless `layer_decay` is a factor that can be applied to this network."""
    if not 0 < layer_decay <= 1:
        raise UsageError(f"model.layer_decay is {layer_decay}; expected a factor above 0, up to 1")
    if layer_decay < 1:
        parts_of(network, "layer_decay", layer_decay)


def parts_of(network: Network, setting: str, value: float) -> list[nn.Module]:
    """The parts of a network's body, from the pixels to the head.

    Raises:
        UsageError: it has none: MLP and CNN start from drawn weights, which have nothing to be careful with.
    """
    blocks: Callable[[], list[nn.Module]] | None = getattr(network, "blocks", None)
    if blocks is None:
        raise UsageError(
            f"model.{setting} is {value}; it spares weights learnt before, and {type(network).__name__} starts from "
            "none: leave it out, or take bluebird.nets.Backbone"
        )
    return blocks()


def _rates(network: Network, layer_decay: float) -> list[tuple[str, list[nn.Parameter], float]]:
    """Name, parameters and factor of each part, and of the head: all that lies in no part."""
    parts = [list(part.parameters()) for part in parts_of(network, "layer_decay", layer_decay)]
    taken = {id(parameter) for part in parts for parameter in part}
    head = [parameter for parameter in network.parameters() if id(parameter) not in taken]
    count = len(parts)
    bodies = [(f"part{number}", part, layer_decay ** (count - number)) for number, part in enumerate(parts)]
    return [*bodies, ("head", head, 1.0)]


def _named(name: str, parameters: list[nn.Parameter], rate: float) -> list[dict[str, Any]]:
    """The groups of a part, under names by which their curves of the learning rate are found."""
    kinds = zip(("decayed", "spared"), _by_decay(parameters), strict=True)
    return [group | {"lr_scale": rate, "name": f"{name}.{kind}"} for kind, group in kinds if group["params"]]


def _by_decay(parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
