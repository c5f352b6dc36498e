"""The networks that find Bluebird, opened: their by-hand twins, and a check of a running training by them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import lightning as L
from torch import Tensor, nn

from bluebird.errors import UsageError
from bluebird.nets import CNN, MLP, Network
from bluebird.nets.classifier import Classifier
from bluebird.nets.cnn import Stage
from bluebird.scratch import chain
from bluebird.scratch.layers import spread


def twin(network: Network) -> chain.Chain:
    """The same network as a chain of links by hand, with a copy of its weights, in training mode.

    Links bear the names of the modules, so a gradient by hand has the name of the parameter it belongs to.

    Raises:
        UsageError: a network that has no twin.
    """
    if isinstance(network, MLP):
        return chain.Chain({"layers": _link(network.layers)})
    if isinstance(network, CNN):
        parts = ("stem", "stages", "mean", "dropout", "head")
        modules = {name: getattr(network, name, None) for name in parts}
        return chain.Chain({name: chain.MeanOverPlaces() if m is None else _link(m) for name, m in modules.items()})
    raise UsageError(f"{type(network).__name__} has no twin by hand; expected MLP or CNN")


def _link(module: nn.Module) -> chain.Link:
    match module:
        case nn.Linear():
            return chain.Linear(**_copies(module))
        case nn.Conv2d():
            return chain.Conv(padding=int(module.padding[0]), **_copies(module))
        case nn.BatchNorm2d():
            return chain.BatchNorm(eps=module.eps, **_copies(module))
        case nn.MaxPool2d(kernel_size=int(size)):
            return chain.MaxPool(size)
        case nn.Dropout():
            return chain.Dropout(module.p)
        case nn.Flatten():
            return chain.Flatten()
        case Stage():
            blocks = {
                str(n): chain.Residual({name: _link(part) for name, part in block.named_children()})
                for n, block in enumerate(module.blocks)
            }
            return chain.Chain({
                "widen": _link(module.widen), "pool": _link(module.pool), "blocks": chain.Chain(blocks)
            })  # fmt: skip
        case nn.Sequential():
            return chain.Chain({name: _link(part) for name, part in module.named_children()})
    return chain.Gate(type(module).__name__.lower())


def _copies(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters(recurse=False)}


@contextmanager
def kept_masks(network: nn.Module) -> Iterator[list[Tensor]]:
    """The masks that the network's dropouts draw in here, in the order in which a picture passes them."""
    masks: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        masks.append((output != 0) | (inputs[0] == 0))  # where the input is 0, the mask is of no account

    handles = [module.register_forward_hook(keep) for module in network.modules() if isinstance(module, nn.Dropout)]
    try:
        yield masks
    finally:
        for handle in handles:
            handle.remove()


class GradientAudit(L.Callback):
    """Recomputes the gradients of a batch by hand, in float64, and logs how far autograd's lie from them.

    Every `every_n_steps` steps, for each parameter: the greatest difference, as a share of its greatest
    gradient, as `audit/NAME`. In float32 about 1e-5 is rounding; more is a fault. Off without a number.

    Raises:
        UsageError: a number of steps below 1.
    """

    def __init__(self, every_n_steps: int | None = None) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise UsageError(f"audit.every_n_steps is {every_n_steps}; expected a whole number of at least 1")
        self.every_n_steps = every_n_steps
        self._watching: ExitStack | None = None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: tuple[Tensor, Tensor], batch_idx: int
    ) -> None:
        if self.every_n_steps is None or trainer.global_step % self.every_n_steps:
            return
        assert isinstance(pl_module, Classifier)
        self._batch = batch
        self._twin = twin(pl_module.network)
        self._watching = ExitStack()
        self._masks = self._watching.enter_context(kept_masks(pl_module.network))

    def on_after_backward(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._watching is None:
            return
        self._watching.close()
        self._watching = None
        assert isinstance(pl_module, Classifier)
        by_hand = gradients_by_hand(self._twin, self._batch, self._masks, pl_module)
        for name, parameter in pl_module.network.named_parameters():
            assert parameter.grad is not None
            expected = by_hand[name]
            difference = (parameter.grad.double().cpu() - expected).abs().max() / expected.abs().max().clamp(min=1e-30)
            pl_module.log(f"audit/{name}", difference.float())


def gradients_by_hand(
    network: chain.Chain, batch: tuple[Tensor, Tensor], masks: list[Tensor], model: Classifier
) -> dict[str, Tensor]:
    """The gradient of the model's loss for every parameter of its twin, float64 on the CPU, by name."""
    images, targets = (part.detach().cpu() for part in batch)
    for _, link in network.named_links():
        link.parameters = {name: value.double().cpu() for name, value in link.parameters.items()}
    chain.set_masks(network, [mask.cpu() for mask in masks])
    wanted = spread(targets, len(model.classes), model.label_smoothing, model.class_weights)
    return chain.learn(network, images.double(), wanted)[1]
