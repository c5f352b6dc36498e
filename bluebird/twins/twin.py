"""A network's twin: the same network as a chain of links by hand, over the same memory."""

from __future__ import annotations

from torch import Tensor, nn

from bluebird.errors import UsageError
from bluebird.nets import CNN, MLP, Network
from bluebird.nets.cnn import Stage
from bluebird.scratch import links
from bluebird.scratch.chain import Chain, Residual


def twin(network: Network) -> Chain:
    """The network as a chain by hand that shares its weights and statistics, in the network's mode.

    Links bear the names of the modules, so a gradient by hand has the name of the parameter it belongs to.
    A change of a weight on either side is seen on the other; for a twin apart, copy the network first.

    Raises:
        UsageError: a network that has no twin.
    """
    if isinstance(network, MLP):
        chain = Chain({"layers": _link(network.layers)})
    elif isinstance(network, CNN):
        parts = ("stem", "stages", "mean", "dropout", "head")
        modules = {name: getattr(network, name, None) for name in parts}
        chain = Chain({name: links.MeanOverPlaces() if m is None else _link(m) for name, m in modules.items()})
    else:
        raise UsageError(f"{type(network).__name__} has no twin by hand; expected MLP or CNN")
    chain.train(network.training)
    return chain


def _link(module: nn.Module) -> links.Link:
    match module:
        case nn.Linear():
            return links.Linear(**_parameters(module))
        case nn.Conv2d():
            return links.Conv(padding=int(module.padding[0]), **_parameters(module))
        case nn.BatchNorm2d(running_mean=Tensor() as mean, running_var=Tensor() as variance):
            momentum = 0.1 if module.momentum is None else module.momentum
            return links.BatchNorm(
                **_parameters(module), mean=mean, variance=variance, eps=module.eps, momentum=momentum
            )
        case nn.MaxPool2d(kernel_size=int(size)):
            return links.MaxPool(size)
        case nn.Dropout():
            return links.Dropout(module.p)
        case nn.Flatten():
            return links.Flatten()
        case Stage():
            blocks = {
                str(n): Residual({name: _link(part) for name, part in block.named_children()})
                for n, block in enumerate(module.blocks)
            }
            return Chain({"widen": _link(module.widen), "pool": _link(module.pool), "blocks": Chain(blocks)})
        case nn.Sequential():
            return Chain({name: _link(part) for name, part in module.named_children()})
    return links.Gate(type(module).__name__.lower())


def _parameters(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in module.named_parameters(recurse=False)}
