"""Gradual unfreezing: a learnt body thaws from its last part to its first while a new head settles."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.strategies import DDPStrategy

from bluebird.errors import UsageError
from bluebird.nets.network import Network
from bluebird.nets.optim import parts_of


def num_thawed(step: int, total: int, unfreeze: float, num_parts: int) -> int:
    """How many parts of the body, counted from the head, train after `step` of `total` steps.

    At the first step none, and from `unfreeze * total` on all; between them one after the other, evenly.

    Source: gradual unfreezing, Howard & Ruder 2018 (ULMFiT, arXiv 1801.06146), section 3.3. They thaw a layer each
    epoch; here the share of the training in which all thaw is given, as parts may be more than epochs.
    """
    if step >= unfreeze * total:
        return num_parts
    return int(num_parts * step / (unfreeze * total) + 1e-9)  # 3 * 0.1 / 0.3 is a hair below 1


def thaw(network: Network, step: int, total: int, unfreeze: float) -> None:
    """Let as many parts of the body train as `num_thawed` says, and the head; all before them is frozen.

    Frozen parameters need no gradient, so that the backward pass ends at the first part that trains, and an
    optimiser, which passes over what has none, neither decays them nor keeps a state for them. Frozen parts are in
    evaluation: the statistics of their batch norm stand still. All follows from the step alone, so a training that
    is resumed needs to remember nothing.
    """
    parts = parts_of(network, "unfreeze", unfreeze)
    num_frozen = len(parts) - num_thawed(step, total, unfreeze, len(parts))
    network.train()  # what `freeze` says holds on: it stands in there
    for number, part in enumerate(parts):
        part.requires_grad_(number >= num_frozen)
        if number < num_frozen:
            part.eval()


def check_unfreeze(network: Network, unfreeze: float) -> None:
    """Raise `UsageError` unless this network has a body that can thaw over this share of the training."""
    if not 0 <= unfreeze < 1:
        raise UsageError(f"model.unfreeze is {unfreeze}; expected a share from 0 up to, not including, 1")
    if not unfreeze:
        return
    parts_of(network, "unfreeze", unfreeze)
    if getattr(network, "freeze", None) == "body":
        raise UsageError(f"model.unfreeze is {unfreeze} and network.freeze is body, which never thaws; choose one")


def check_strategy(trainer: L.Trainer) -> None:
    """Raise `UsageError` where several processes would wait for the gradients of frozen parameters for ever."""
    settings: dict[str, Any] = getattr(trainer.strategy, "_ddp_kwargs", {})
    if isinstance(trainer.strategy, DDPStrategy) and not settings.get("find_unused_parameters"):
        raise UsageError(
            "model.unfreeze is set, and on several devices frozen parameters must be looked for; "
            "train with --trainer.strategy ddp_find_unused_parameters_true"
        )
