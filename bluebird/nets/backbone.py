"""A network of torchvision's or timm's, from ResNet to ViT, as one of the house: features, dropout, linear, softmax."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from bluebird.errors import UsageError
from bluebird.nets.architectures import build
from bluebird.nets.covariance import CovariancePooling
from bluebird.nets.maps import last_map, map_of
from bluebird.nets.network import Network, check_dropout
from bluebird.nets.same_padding import pad_same

_PARTS = 5
_BATCH = 16


class Backbone(Network):
    """An architecture of torchvision's or timm's by name, with a head of its own.

    Args:
        num_classes: K, the number of probabilities.
        image_size: side S of the pictures in px.
        name: as `torchvision.models.list_models(module=torchvision.models)` lists it, e.g. "resnet18"; or timm's, with
            or without the training its weights come from: "timm/convnext_tiny.fb_in1k"; bare where only timm has it.
        dropout: probability with which each feature rests in a training step.
        freeze: what training leaves as it is: nothing; the statistics by which batch norm normalises ("norm", as
            weights need whose batch norm was folded into the convolutions, and small batches like); or all but the
            head ("body").
        padding: of strided convolutions: as_built; or same, as weights need that were trained in TensorFlow.
        pooling: how features come of the last map: as_built, mostly by its mean; or covariance, by which of its
            channels rise and fall together, which tells apart what differs in details.
        mirror: look at each picture twice, as it is and mirrored left to right, and decide on the mean of both
            features, except in a training step. It takes twice the time.
        scales: look at each picture at these shares of its side, and decide on the mean of the features, likewise;
            [0.7, 1] takes half as long again. Covariance is that of the places of all looks together.

    Raises:
        UsageError: no such name, timm is not installed, a size that the architecture cannot take, one that cannot be
            given another head, or an argument out of range.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int,
        name: str = "resnet18",
        dropout: float = 0.2,
        freeze: Literal["nothing", "norm", "body"] = "nothing",
        padding: Literal["as_built", "same"] = "as_built",
        pooling: Literal["as_built", "covariance"] = "as_built",
        mirror: bool = False,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        super().__init__(num_classes, image_size)
        check_dropout(dropout)
        self.arguments |= {"name": name, "dropout": dropout, "freeze": freeze}
        # only where they differ: a model's fingerprint covers them, and that of older ones must not change
        self.arguments |= {"padding": padding} if padding != "as_built" else {}
        self.arguments |= {"pooling": pooling} if pooling != "as_built" else {}
        self.arguments |= {"mirror": True} if mirror else {}
        self.arguments |= {"scales": list(scales)} if list(scales) != [1.0] else {}
        built = build(name, image_size)
        self.body = built.body
        self.classifier = built.classifier
        if padding == "same" and not pad_same(self.body):
            raise UsageError(f"padding is 'same': {name} has no strided convolution that pads; leave it 'as_built'")
        if pooling not in ("as_built", "covariance"):  # a model of another version's may hold another word
            raise UsageError(f"pooling is {pooling!r}; expected as_built or covariance")
        self.pool = CovariancePooling(last_map(name, self.body, image_size)) if pooling == "covariance" else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.pool.num_features if self.pool else built.features, num_classes)
        self.freeze, self.mirror = freeze, mirror
        self.body.requires_grad_(freeze != "body")
        self.sides = self._sides(scales)

    def train(self, mode: bool = True) -> Backbone:
        """As every module's; what is frozen stays in evaluation."""
        super().train(mode)
        for module in self.body.modules():
            if self.freeze == "body" or (self.freeze == "norm" and isinstance(module, _BatchNorm)):
                module.training = False
        return self

    def features(self, images: Tensor) -> Tensor:
        sides = [self.image_size] if self.training else self.sides
        looks = [look for side in sides for look in self._looks(images, side)]
        return self.pool(*looks) if self.pool else torch.stack(looks).mean(0)

    def _looks(self, images: Tensor, side: int) -> list[Tensor]:
        """What is seen in pictures at this side, and in mirrored ones, which are looked at in the same batch."""
        if side != self.image_size:
            images = functional.interpolate(images, size=(side, side), mode="bilinear")
        if self.training or not self.mirror:
            return [self._look(images)]
        as_is, mirrored = torch.unflatten(self._look(torch.cat([images, images.flip(-1)])), 0, (2, -1))
        return [as_is, mirrored]

    def _look(self, images: Tensor) -> Tensor:
        """Features (N, F); or maps (N, R, H, W), where they are still to be pooled."""
        seen: Tensor = self.pool.reduce(map_of(self.body)(images)) if self.pool else self.body(images)
        return seen

    @property
    def pictures_to_measure(self) -> int:  # type: ignore[override]
        return 256 if self.pool else 0

    @torch.no_grad()
    def measure(self, images: Tensor) -> None:
        """Covariance pooling goes by the directions in which the maps of these pictures vary most."""
        if self.pool:
            learning = self.training
            self.eval()
            self.pool.fit(torch.cat([map_of(self.body)(batch) for batch in torch.split(images, _BATCH)]))
            self.train(learning)

    def decide(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(features))
        return logits

    def _sides(self, scales: Sequence[float]) -> list[int]:
        """In px, the largest last: where it looked at the whole is what a person is shown."""
        if not scales or not all(0 < scale <= 1 for scale in scales):
            raise UsageError(f"scales is {list(scales)}; expected shares of the picture's side above 0, up to 1")
        sides = sorted({max(1, round(scale * self.image_size)) for scale in scales})
        for side in sides:
            self._check_side(side)
        return sides

    @torch.no_grad()
    def _check_side(self, side: int) -> None:
        if side == self.image_size:
            return
        self.eval()
        try:
            self._looks(torch.zeros(1, 3, side, side), side)
        except (RuntimeError, AssertionError, ValueError) as error:  # each library has its own
            reason = " ".join(str(error).split())[:200]
            raise UsageError(
                f"scales: {self.arguments['name']} cannot look at pictures of {side} px ({reason}); leave scales out"
            ) from error
        self.train()

    def blocks(self) -> list[nn.Module]:
        """The parts of the body from the input to the output: stem, stages or blocks, at least five where there are.

        Each parameter of the body is in exactly one of them, each part has some. Where a part is several modules, such
        as a convolution and its norm, or a transformer's class token and its patches, it is a ModuleList of these.
        """
        parts: list[nn.Module] = [self.body]
        while len(joined := _joined(parts)) < _PARTS:
            opened = [child for part in parts for child in _children(part)]
            if len(opened) == len(parts) and all(map(_same, opened, parts)):
                break
            parts = opened
        return joined


def _same(one: nn.Module, other: nn.Module) -> bool:
    return one is other


def _children(part: nn.Module) -> Iterator[nn.Module]:
    """What `part` is made of, parameters outside its modules first; itself where it is one layer."""
    inner = [child for child in part.children() if any(True for _ in child.parameters())]
    loose = list(part.parameters(recurse=False))
    if not inner:
        yield part
        return
    if loose:
        yield nn.ParameterList(loose)
    yield from inner


def _joined(parts: list[nn.Module]) -> list[nn.Module]:
    """Loose parameters, as class tokens, go with what follows them, norms with what they follow."""
    groups: list[list[nn.Module]] = []
    for part in parts:
        follows = bool(groups) and (_is_norm(part) or all(isinstance(one, nn.ParameterList) for one in groups[-1]))
        if follows:
            groups[-1].append(part)
        else:
            groups.append([part])
    return [group[0] if len(group) == 1 else nn.ModuleList(group) for group in groups]


def _is_norm(part: nn.Module) -> bool:
    return not isinstance(part, nn.ParameterList) and all(parameter.ndim < 2 for parameter in part.parameters())
