"""What attribution says of a network that has learned something."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional

from bluebird.nets import CNN, Network
from bluebird.nets.attribution import grad_cam, saliency

SIDE, BLOB = 32, 10
Method = Callable[[Network, Tensor, Tensor], Tensor]


def blobs(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Grey noise, a red blob in class 0 and a green one in class 1; images, classes, the middle (N, 2) of each blob."""
    rng = np.random.default_rng(seed)
    images, classes = rng.normal(0, 0.3, (count, 3, SIDE, SIDE)), rng.integers(0, 2, count)
    tops = rng.integers(0, SIDE - BLOB + 1, (count, 2))
    for image, colour, (top, left) in zip(images, classes, tops, strict=True):
        image[colour, top : top + BLOB, left : left + BLOB] += 2
    middles = torch.from_numpy(tops + (BLOB - 1) / 2)
    return torch.from_numpy(images).float(), torch.from_numpy(classes), middles


@pytest.fixture(scope="module")
def answering() -> CNN:
    """A CNN that knows red blobs from green ones."""
    torch.manual_seed(0)
    network = CNN(2, SIDE, 8, [8, 16], [0, 1])
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    for step in range(40):
        images, classes, _ = blobs(32, step)
        optimizer.zero_grad()
        functional.cross_entropy(network.logits(images), classes).backward()
        optimizer.step()
    images, classes, _ = blobs(200, 1000)
    with torch.no_grad():
        assert (network.eval()(images).argmax(1) == classes).float().mean() > 0.97
    return network


def centre(maps: Tensor) -> Tensor:
    """The centre of mass (N, 2) of maps (N, S, S)."""
    places = torch.arange(maps.shape[1]).float()
    mass = maps.sum((1, 2))
    return torch.stack([maps.sum(2) @ places / mass, maps.sum(1) @ places / mass], 1)


@pytest.mark.parametrize("method", [grad_cam, saliency])
def test_the_map_lies_where_the_blob_is(answering: CNN, method: Method) -> None:
    images, classes, middles = blobs(100, 2000)
    found = centre(method(answering, images, classes))
    far = (middles - (SIDE - 1) / 2).abs() > 6  # blobs in corners and along edges
    assert far.sum() > 50
    assert ((found > (SIDE - 1) / 2) == (middles > (SIDE - 1) / 2))[far].float().mean() > 0.95
    for axis in range(2):
        assert spearmanr(found[:, axis], middles[:, axis]).statistic > 0.9


def test_each_class_is_shown_its_own_blob(answering: CNN) -> None:
    images = torch.zeros(2, 3, SIDE, SIDE)
    images[:, 0, 2:12, 2:12] = 2  # red above to the left, green below to the right
    images[:, 1, 20:30, 20:30] = 2
    above, below = centre(grad_cam(answering, images, torch.tensor([0, 1])))
    assert float(above.max()) < SIDE / 2 < float(below.min())


def test_random_weights_change_the_map(answering: CNN) -> None:
    """Adebayo et al. 2018: a map that stays the same does not speak of what was learned."""
    images, classes, _ = blobs(40, 3000)
    learned, ranks = grad_cam(answering, images, classes).flatten(1), []
    for seed in range(5):
        torch.manual_seed(seed)
        random = grad_cam(CNN(**answering.arguments), images, classes).flatten(1)
        spoken = random.any(1)  # of a map that is zero all over there are no ranks
        ranks += [float(spearmanr(*pair).statistic) for pair in zip(learned[spoken], random[spoken], strict=True)]
    assert len(ranks) > 100
    assert abs(float(np.median(ranks))) < 0.5
