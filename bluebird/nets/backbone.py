"""A network of torchvision's, from ResNet to ViT, as one of the house: features, dropout, linear, softmax."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bluebird.errors import UsageError
from bluebird.nets.network import Network, check_dropout


class Backbone(Network):
    """An architecture of torchvision's by name, with a head of its own.

    Args:
        num_classes: K, the number of probabilities.
        image_size: side S of the pictures in px.
        name: as `torchvision.models.list_models(module=torchvision.models)` lists it, e.g. "resnet18".
        dropout: probability with which each feature rests in a training step.
        freeze: what training leaves as it is: nothing; the statistics by which batch norm normalises ("norm", as
            weights need whose batch norm was folded into the convolutions, and small batches like); or all but the
            head ("body").

    Raises:
        UsageError: no such name, an architecture that does not end in a linear layer, or an argument out of range.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int,
        name: str = "resnet18",
        dropout: float = 0.2,
        freeze: Literal["nothing", "norm", "body"] = "nothing",
    ) -> None:
        super().__init__(num_classes, image_size)
        check_dropout(dropout)
        self.arguments |= {"name": name, "dropout": dropout, "freeze": freeze}
        self.body = _body(name)
        last, linear = _last_layer(self.body, name)
        self.body.set_submodule(last, nn.Identity())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(linear.in_features, num_classes)
        self.freeze = freeze
        self.body.requires_grad_(freeze != "body")

    def train(self, mode: bool = True) -> Backbone:
        """As every module's; what is frozen stays in evaluation."""
        super().train(mode)
        for module in self.body.modules():
            if self.freeze == "body" or (self.freeze == "norm" and isinstance(module, _BatchNorm)):
                module.training = False
        return self

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.body(images)
        return features

    def decide(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(features))
        return logits


def _body(name: str) -> nn.Module:
    from torchvision import models  # seconds that the other networks do without

    known = models.list_models(module=models)
    if name not in known:
        near = get_close_matches(name, known, n=3)
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(f"name is {name!r}: torchvision has no such architecture{meant}")
    body: nn.Module = models.get_model(name, weights=None)
    return body


def _last_layer(body: nn.Module, name: str) -> tuple[str, nn.Linear]:
    """The layer that gives torchvision's own 1,000 classes."""
    layers = [(path, module) for path, module in body.named_modules() if not list(module.children())]
    if not layers or not isinstance(layers[-1][1], nn.Linear):
        raise UsageError(f"name is {name!r}: does not end in one linear layer, and cannot be given another head")
    path, linear = layers[-1]
    return path, linear
