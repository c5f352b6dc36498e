"""Covariance pooling, held against eigenvalues and sums over every place and pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from bluebird.errors import UsageError
from bluebird.nets import Backbone
from bluebird.nets.covariance import CovariancePooling, _root
from bluebird.nets.maps import map_of


def maps(count: int = 3, channels: int = 6, side: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(channels, channels, generator=generator)
    return torch.einsum("nchw,dc->ndhw", torch.randn(count, channels, side, side, generator=generator), mixed) + 1


def root(share: float) -> float:
    """Of an eigenvalue, as five steps of Newton and Schulz find it."""
    found, inverse = share, 1.0
    for _ in range(5):
        step = (3 - inverse * found) / 2
        found, inverse = found * step, step * inverse
    return found


def of_length_1(values: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


@torch.no_grad()
def test_features_are_the_root_of_the_covariance_of_all_places_each_pair_once() -> None:
    torch.manual_seed(0)
    pool, images = CovariancePooling(6, rank=3), maps()
    features = pool(pool.reduce(images))
    assert features.shape == (3, 6) == (3, pool.num_features)
    weight = pool.reduce.weight[:, :, 0, 0].double()
    for picture, got in zip(images.double(), features, strict=True):
        places = [weight @ picture[:, row, column] for row in range(4) for column in range(4)]
        eigenvalues, directions = np.linalg.eigh(np.cov(np.stack(places).T))
        roots = np.diag([root(value) for value in eigenvalues / eigenvalues.sum()])
        matrix = directions @ roots @ directions.T
        pairs = [matrix[i, j] * (1 if i == j else math.sqrt(2)) for i in range(3) for j in range(i, 3)]
        assert got.tolist() == pytest.approx(of_length_1(pairs), abs=1e-5)


@torch.no_grad()
def test_places_of_several_looks_count_alike() -> None:
    pool, looks = CovariancePooling(6), [maps(side=4), maps(side=2) * 3 - 1]
    strip = torch.cat([look.flatten(2) for look in looks], 2)[..., None]  # a map of 20 rows and a column
    torch.testing.assert_close(pool(*looks), pool(strip))
    assert not torch.allclose(pool(*looks), sum(map(pool, looks)) / 2, atol=1e-3)


@torch.no_grad()
def test_the_product_of_two_pictures_is_that_of_their_matrices() -> None:
    pool, images = CovariancePooling(6), maps(2)
    one, other = pool(pool.reduce(images))
    full = torch.zeros(2, 6, 6)
    full[:, pool.rows, pool.columns] = full[:, pool.columns, pool.rows] = torch.stack([one, other]) / pool.shares
    assert float(one @ other) == pytest.approx(float((full[0] * full[1]).sum()), abs=1e-6)
    assert float(one @ one) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("share", "error"), [(1.0, 1e-3), (0.3, 1e-3), (0.1, 0.01), (0.01, 0.7), (1e-6, 1.0)])
def test_small_eigenvalues_come_out_smaller_still_and_none_greater(share: float, error: float) -> None:
    found = _root(torch.diag(torch.tensor([share, 1 - share]))[None] * 7)[0].diagonal()  # the trace takes no part
    short = 1 - found.double().numpy() / np.sqrt([share, max(1 - share, 1e-12)])
    assert -1e-4 < short[0] < error
    assert found.double().numpy() == pytest.approx([root(share), root(1 - share)], abs=1e-5)


def test_directions_are_the_principal_components_of_all_places() -> None:
    pool, images = CovariancePooling(6, rank=2), maps(5)
    pool.fit(images)
    places = images.double().permute(0, 2, 3, 1).reshape(-1, 6).numpy()
    expected = np.abs(PCA(2).fit_transform(places))  # a direction may point either way
    with torch.no_grad():
        got = pool.reduce(images).permute(0, 2, 3, 1).reshape(-1, 2).numpy()
    np.testing.assert_allclose(np.abs(got - got.mean(0)), expected, atol=1e-4)


def test_a_map_of_nothing_has_a_slope() -> None:
    pool = CovariancePooling(6, rank=3)
    images = torch.zeros(1, 6, 2, 2, requires_grad=True)
    pool(pool.reduce(images)).sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()


@pytest.mark.parametrize(
    "name", ["mobilenet_v2", "resnet18", "efficientnet_b0", "timm/resnet18", "timm/mobilenetv3_small_100"]
)
def test_features_are_of_the_last_map_before_it_is_pooled(name: str) -> None:
    if name.startswith("timm/"):
        pytest.importorskip("timm")
    network = Backbone(3, 64, name, pooling="covariance").eval()
    images = torch.randn(2, 3, 64, 64)
    assert network.pool is not None
    with torch.no_grad():
        last, features = map_of(network.body)(images), network.features(images)
        assert torch.equal(features, network.pool(network.pool.reduce(last)))
    assert last.shape[2:] == (2, 2)
    if name in ("mobilenet_v2", "resnet18"):  # whose own pooling is the mean and nothing else
        assert torch.allclose(network.body(images), last.mean((2, 3)), atol=1e-5)


@torch.no_grad()
def test_a_network_pools_the_maps_of_all_its_looks_and_of_one_while_it_learns() -> None:
    torch.manual_seed(0)
    network = Backbone(3, 64, "resnet18", pooling="covariance", mirror=True, scales=[0.5, 1])
    assert network.pool is not None
    look, images = map_of(network.eval().body), torch.randn(2, 3, 64, 64)
    smaller = torch.nn.functional.interpolate(images, size=(32, 32), mode="bilinear")
    looks = [look(way) for side in (smaller, images) for way in (side, side.flip(-1))]
    torch.testing.assert_close(network.features(images), network.pool(*map(network.pool.reduce, looks)))
    network.train()
    network.body.eval()  # batch norm by the same statistics
    assert torch.equal(network.features(images), network.pool(network.pool.reduce(look(images))))


@pytest.mark.parametrize(("name", "side"), [("vit_b_32", 64), ("resnet18", 32), ("inception_v3", 96)])
def test_what_has_no_map_with_several_places_is_refused(name: str, side: int) -> None:
    with pytest.raises(UsageError, match=r"^pooling is 'covariance': .*leave it 'as_built'"):
        Backbone(3, side, name, pooling="covariance")


def test_a_word_for_it_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^pooling is 'second_order'; expected as_built or covariance$"):
        Backbone(3, 64, "resnet18", pooling="second_order")  # type: ignore[arg-type]
