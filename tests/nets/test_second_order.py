"""Second-order pooling, held against sums over every place and pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from bluebird.errors import UsageError
from bluebird.nets import Backbone
from bluebird.nets.maps import map_of
from bluebird.nets.second_order import SecondOrder


def maps(count: int = 3, channels: int = 6, side: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(channels, channels, generator=generator)
    return torch.einsum("nchw,dc->ndhw", torch.randn(count, channels, side, side, generator=generator), mixed) + 1


def of_length_1(values: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


@torch.no_grad()
def test_features_are_the_mean_and_the_signed_roots_of_all_products_each_of_length_1() -> None:
    torch.manual_seed(0)
    pool, images = SecondOrder(6, rank=3), maps()
    features = pool(images)
    assert features.shape == (3, 6 + 6) == (3, pool.num_features)
    weight, bias = pool.reduce.weight[:, :, 0, 0].double(), pool.reduce.bias.double()
    for picture, got in zip(images.double(), features, strict=True):
        places = [weight @ picture[:, row, column] + bias for row in range(4) for column in range(4)]
        products = [sum(float(p[i] * p[j]) for p in places) / 16 for i in range(3) for j in range(i, 3)]
        roots = [math.copysign(math.sqrt(abs(value)), value) for value in products]
        mean = [float(picture[channel].mean()) for channel in range(6)]
        assert got.tolist() == pytest.approx([*of_length_1(mean), *of_length_1(roots)], abs=1e-4)


def test_directions_are_the_principal_components_of_all_places() -> None:
    pool, images = SecondOrder(6, rank=2), maps(5)
    pool.fit(images)
    places = images.double().permute(0, 2, 3, 1).reshape(-1, 6).numpy()
    expected = np.abs(PCA(2).fit_transform(places))  # a direction may point either way
    with torch.no_grad():
        got = pool.reduce(images).permute(0, 2, 3, 1).reshape(-1, 2).abs().numpy()
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_a_map_of_nothing_has_a_slope() -> None:
    pool = SecondOrder(6, rank=3)
    torch.nn.init.zeros_(pool.reduce.bias)
    images = torch.zeros(1, 6, 2, 2, requires_grad=True)
    pool(images).sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()


@pytest.mark.parametrize(
    "name", ["mobilenet_v2", "resnet18", "efficientnet_b0", "timm/resnet18", "timm/mobilenetv3_small_100"]
)
def test_features_are_of_the_last_map_before_it_is_pooled(name: str) -> None:
    if name.startswith("timm/"):
        pytest.importorskip("timm")
    network = Backbone(3, 64, name, pooling="second_order").eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        last, features = map_of(network.body)(images), network.features(images)
    assert last.shape[2:] == (2, 2)
    assert torch.allclose(features[:, : last.shape[1]], torch.nn.functional.normalize(last.mean((2, 3))), atol=1e-5)
    if name in ("mobilenet_v2", "resnet18"):  # whose own pooling is the mean and nothing else
        assert torch.allclose(network.body(images), last.mean((2, 3)), atol=1e-5)


@pytest.mark.parametrize(("name", "side"), [("vit_b_32", 64), ("resnet18", 32), ("inception_v3", 96)])
def test_what_has_no_map_with_several_places_is_refused(name: str, side: int) -> None:
    with pytest.raises(UsageError, match=r"^pooling is 'second_order': .*leave it 'as_built'"):
        Backbone(3, side, name, pooling="second_order")
