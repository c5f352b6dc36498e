"""What every network of the house has in common: it ends in softmax and can be built again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from bluebird.errors import UsageError


class Network(nn.Module, ABC):
    """Pictures to class probabilities.

    `arguments` holds the plain arguments of the constructor: `type(network)(**network.arguments)` is a
    network of the same shape, which is how a bundle builds it again.
    """

    pictures_to_measure = 0
    """How many training pictures `measure` wants to see."""

    def __init__(self, num_classes: int, image_size: int) -> None:
        super().__init__()
        if num_classes < 2:
            raise UsageError(f"num_classes is {num_classes}; expected at least 2")
        if image_size < 1:
            raise UsageError(f"image_size is {image_size}; expected at least 1 px")
        self.num_classes = num_classes
        self.image_size = image_size
        self.arguments: dict[str, Any] = {"num_classes": num_classes, "image_size": image_size}

    def measure(self, images: Tensor) -> None:
        """Compute what is not learnt from some normalised training pictures (N, 3, S, S), before training begins."""

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """What the last layer decides on, (N, F), of images float (N, 3, S, S); like pictures have like features."""

    @abstractmethod
    def decide(self, features: Tensor) -> Tensor:
        """The last layer, and the dropout before it if any: features (N, F) to logits (N, num_classes)."""

    def logits(self, images: Tensor) -> Tensor:
        """Unnormalised log-probabilities (N, num_classes) of images float (N, 3, S, S); the loss takes these."""
        return self.decide(self.features(images))

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (N, num_classes) of images float (N, 3, S, S); each row sums to one."""
        return self.logits(images).softmax(dim=1)


def check_dropout(dropout: float) -> None:
    """Raise `UsageError` unless `dropout` is a probability below one."""
    if not 0 <= dropout < 1:
        raise UsageError(f"dropout is {dropout}; expected a probability from 0 up to, not including, 1")


def check_widths(widths: list[int]) -> None:
    """Raise `UsageError` unless every layer has a unit."""
    if any(width < 1 for width in widths):
        raise UsageError(f"widths is {widths}; expected whole numbers of at least 1")
