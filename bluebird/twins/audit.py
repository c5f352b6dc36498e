"""A running training checked by hand: autograd's gradients beside those of the twin."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import lightning as L
from torch import Tensor, nn

from bluebird.errors import UsageError
from bluebird.nets.classifier import Classifier
from bluebird.scratch import chain
from bluebird.scratch.layers import spread
from bluebird.twins.twin import twin


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
    gradient, as `audit/NAME`. Off without a number.

    In float32 rounding is about 1e-6 for the MLP, and for the CNN up to a few hundredths: of two nearly equal
    places in a pool it may choose the other. `--trainer.precision 64-true` shows that it is rounding and no
    more: below 1e-11 for both.

    Raises:
        UsageError: a number of steps below 1; a training by hand, or one that adds up batches, mixes pictures or scales
            gradients.
    """

    def __init__(self, every_n_steps: int | None = None) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise UsageError(f"audit.every_n_steps is {every_n_steps}; expected a whole number of at least 1")
        self.every_n_steps = every_n_steps
        self._watching: ExitStack | None = None

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.every_n_steps is None:
            return
        if not pl_module.automatic_optimization:
            raise UsageError("audit.every_n_steps is set and model.by_hand is on: there is no autograd to audit")
        if trainer.accumulate_grad_batches != 1:
            raise UsageError(
                f"trainer.accumulate_grad_batches is {trainer.accumulate_grad_batches}; an audit takes one batch a step"
            )
        if trainer.precision == "16-mixed":
            raise UsageError("audit.every_n_steps is set and 16-mixed scales gradients; take bf16-mixed or 32-true")

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: tuple[Tensor, Tensor], batch_idx: int
    ) -> None:
        if self.every_n_steps is None or trainer.global_step % self.every_n_steps:
            return
        if batch[1].is_floating_point():
            raise UsageError(
                "audit.every_n_steps is set and data.augment mixes pictures: an audit takes pictures of one class; "
                "leave out data.augment.mixup and data.augment.cutmix"
            )
        assert isinstance(pl_module, Classifier)
        self._batch = batch
        self._twin = twin(copy.deepcopy(pl_module.network).cpu().double())
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
    chain.set_masks(network, [mask.cpu() for mask in masks])
    wanted = spread(targets, len(model.classes), model.label_smoothing, model.class_weights)
    return chain.learn(network, images.double(), wanted)[2]
