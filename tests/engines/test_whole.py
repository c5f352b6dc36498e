from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from bluebird.bundle import Bundle, Preprocessing
from bluebird.engines.whole import Whole, fused
from bluebird.nets import CNN, MLP, Backbone, Network, WhitenedCNN

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


def _seen_something(network: Network) -> Network:
    """With batch statistics of its own."""
    network.train()
    for _ in range(3):
        network(2 * torch.randn(8, 3, network.image_size, network.image_size) + 1)
    return network.eval()


def _bundle(network: Network) -> Bundle:
    return Bundle(_seen_something(network), ("a", "b", "c"), Preprocessing(network.image_size, MEAN, STD))


def _pixels(side: int) -> Tensor:
    return torch.randint(0, 256, (9, 3, side, side), dtype=torch.uint8)


class Branching(CNN):
    """Its Python looks at the numbers, which no tracer can follow."""

    def features(self, images: Tensor) -> Tensor:
        return super().features(images) if images.sum() > 0 else super().features(-images)


@pytest.mark.parametrize(
    "network",
    [CNN(3, 16, stem=4, widths=[8, 12], blocks=[1, 2]), MLP(3, 16, widths=[9]), Backbone(3, 32, "resnet18"),
     Backbone(3, 64, "mobilenet_v2"), Backbone(3, 64, "efficientnet_b0"),
     Backbone(3, 32, "resnet18", mirror=True), Backbone(3, 64, "resnet18", pooling="covariance"),
     Backbone(3, 64, "resnet18", pooling="covariance", mirror=True, scales=[0.5, 1.0]),
     Backbone(3, 64, "resnet18", scales=[0.7, 1.0]), WhitenedCNN(3, 16, widths=[8, 12], mirror=True),
     WhitenedCNN(3, 16, widths=[8, 12], mirror=True, moved=True)],
    ids=["cnn", "mlp", "resnet", "mobilenet", "efficientnet", "mirrored", "covariance", "covariance of all looks",
         "several scales", "whitened", "moved"],
)  # fmt: skip
@torch.no_grad()
def test_without_batch_norm_it_says_the_same(network: Network) -> None:
    model, pixels = _bundle(network), _pixels(network.image_size)
    quick = fused(model)
    for got, expected in zip(quick(pixels), Whole(model)(pixels), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    behind_a_pooling = 2 if isinstance(network, WhitenedCNN) else 0
    assert sum(isinstance(module, nn.BatchNorm2d) for module in quick.modules()) == behind_a_pooling


@torch.no_grad()
def test_a_network_that_cannot_be_traced_is_asked_as_it_is() -> None:
    model, pixels = _bundle(Branching(3, 16, stem=4, widths=[8], blocks=[1])), _pixels(16)
    probs, _, _ = fused(model)(pixels)
    images = (pixels / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(probs, model.network(images), rtol=1e-4, atol=1e-5)


class Activating(nn.BatchNorm2d):
    """More than a norm, as some of timm's are."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps).relu()


class Entangled(Network):
    """A norm behind two convolutions, a convolution before two norms and before one that no bundle has statistics of,
    and one that is asked twice."""

    def __init__(self) -> None:
        super().__init__(3, 16)
        self.one, self.other, self.both, self.twice, self.odd = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(5))
        self.shared, self.first, self.second, self.behind = (nn.BatchNorm2d(3) for _ in range(4))
        self.untracked = nn.BatchNorm2d(3, track_running_stats=False)
        self.head = nn.Linear(3, 3)

    def features(self, images: Tensor) -> Tensor:
        maps = self.shared(self.one(images)) + self.shared(self.other(images))
        seen = self.both(maps)
        maps = self.first(seen) + self.second(seen).relu()
        maps = self.behind(self.twice(maps)) + self.behind(self.twice(maps.flip(-1)))
        return self.untracked(self.odd(maps)).relu().mean((2, 3))

    def decide(self, features: Tensor) -> Tensor:
        return self.head(features)  # type: ignore[no-any-return]


@torch.no_grad()
def test_a_norm_is_taken_over_once_and_only_by_a_convolution_that_it_belongs_to() -> None:
    torch.manual_seed(0)
    model, pixels = _bundle(Entangled()), _pixels(16)
    quick = fused(model)
    for got, expected in zip(quick(pixels), Whole(model)(pixels), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    gone = [name for name, module in quick.network.named_children() if isinstance(module, nn.Identity)]
    assert gone == ["behind"]


@torch.no_grad()
def test_a_norm_that_does_more_stays() -> None:
    torch.manual_seed(0)
    network = CNN(3, 16, stem=4, widths=[8], blocks=[0])
    network.stem[1] = Activating(4)
    network.stem[2] = nn.Identity()
    model, pixels = _bundle(network), _pixels(16)
    quick = fused(model)
    assert torch.allclose(quick(pixels)[1], Whole(model)(pixels)[1], atol=1e-4)


@torch.no_grad()
def test_probabilities_are_those_at_the_temperature_and_logits_are_not() -> None:
    model, pixels = replace(_bundle(MLP(3, 16, widths=[9])), temperature=2.5), _pixels(16)
    images = (pixels / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    logits = model.network.logits(images)
    for quick in (fused(model), Whole(model)):
        probs, said, _ = quick(pixels)
        torch.testing.assert_close(said, logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(probs, torch.softmax(logits / 2.5, 1), rtol=1e-4, atol=1e-5)
