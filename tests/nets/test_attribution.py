from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bluebird.errors import UsageError
from bluebird.nets import CNN, MLP, Backbone, Network, WhitenedCNN
from bluebird.nets.attribution import GRAD_CAM, SALIENCY, attribution, grad_cam, saliency

Method = Callable[[Network, Tensor, Tensor], Tensor]


class Squares(Network):
    """Worked by hand: A = the picture averaged two by two; feature k = mean of A_k squared; logits w A^2."""

    def __init__(self, image_size: int, weight: Tensor) -> None:
        super().__init__(len(weight), image_size)
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(3, len(weight), bias=False)
        self.head.weight.data = weight

    def features(self, images: Tensor) -> Tensor:
        return self.pool(images).square().mean((2, 3))

    def decide(self, features: Tensor) -> Tensor:
        return self.head(features)


def drawn_up(maps: np.ndarray, side: int) -> np.ndarray:
    """(N, H, W) to (N, side, side): straight lines between the middles of places, level beyond the outer ones."""

    def along(rows: np.ndarray) -> np.ndarray:
        count = rows.shape[-1]
        middles = (np.arange(side) + 0.5) * count / side - 0.5
        return np.apply_along_axis(lambda row: np.interp(middles, np.arange(count), row), -1, rows)

    return along(along(maps).swapaxes(1, 2)).swapaxes(1, 2)


def expected_cam(weighted: np.ndarray, side: int) -> np.ndarray:
    full = drawn_up(np.maximum(weighted, 0), side)
    return full / np.maximum(full.max((1, 2), keepdims=True), 1e-30)


def pictures(count: int, side: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def network_of(name: str, side: int, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    network = Backbone(4, side, name) if name != "CNN" else CNN(4, side, 4, [8, 8], [0, 1])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # so that evaluation differs from training
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


def test_grad_cam_is_that_of_equations_1_and_2_worked_by_hand() -> None:
    weight = torch.tensor([[1.0, -2.0, 0.5], [-1.0, 0.3, 2.0]])
    images, classes = pictures(5, 8), torch.tensor([0, 1, 1, 0, 1])
    maps = images.double().numpy().reshape(5, 3, 4, 2, 4, 2).mean((3, 5))  # A, (N, 3, 4, 4)
    w = weight.numpy()[classes][:, :, None, None]
    alpha = (2 * w * maps / 16).mean((2, 3), keepdims=True)  # of y = sum_k w_k mean(A_k^2)
    expected = expected_cam((alpha * maps).sum(1), 8)
    got = grad_cam(Squares(8, weight), images, classes)
    assert (got.dtype, tuple(got.shape)) == (torch.float32, (5, 8, 8))
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-5)


def _after(network: Network, maps: Tensor) -> Tensor:
    """What stands behind the last map, in the architectures' own words."""
    if isinstance(network, CNN) or network.arguments["name"] in ("resnet18", "mobilenet_v2"):
        return maps.mean((2, 3))
    return network.body.classifier(network.body.avgpool(maps))


def _last_map(network: Network, images: Tensor) -> Tensor:
    if isinstance(network, CNN):
        return network.stages(network.stem(images))
    body = network.body
    if not hasattr(body, "layer4"):
        return body.features(images)
    images = body.maxpool(body.relu(body.bn1(body.conv1(images))))
    return body.layer4(body.layer3(body.layer2(body.layer1(images))))


@pytest.mark.parametrize("name", ["CNN", "resnet18", "mobilenet_v2", "efficientnet_b0", "convnext_tiny"])
def test_grad_cam_is_taken_where_the_last_convolutions_end(name: str) -> None:
    side, classes = 64, torch.arange(4)
    network, images = network_of(name, side).eval(), pictures(4, side)
    maps = _last_map(network, images)
    logits = network.decide(_after(network, maps).flatten(1))
    torch.testing.assert_close(logits, network.logits(images))  # the two halves are the network
    (gradient,) = torch.autograd.grad(logits.diagonal().sum(), maps)
    weighted = (gradient.mean((2, 3), keepdim=True) * maps).sum(1).detach().double().numpy()
    assert (weighted > 0).any()
    np.testing.assert_allclose(grad_cam(network, images, classes), expected_cam(weighted, side), atol=1e-4)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("moved", [False, True])
def test_of_several_looks_the_map_is_the_sum_and_mirrored_ones_are_turned_back(mirror: bool, moved: bool) -> None:
    torch.manual_seed(0)
    network = WhitenedCNN(4, 16, widths=[6, 8], mirror=mirror, moved=moved).eval()
    images, classes, expected = pictures(4, 16), torch.arange(4), np.zeros((4, 3, 3))  # 15 px, halved twice
    framed = functional.pad(images, (1, 1, 1, 1), mode="reflect")
    for seen in [framed[..., :-2, :-2], framed[..., 2:, 2:]] if moved else [images]:
        for turned in (False, True) if mirror else (False,):
            look = seen.flip(-1) if turned else seen
            maps = network.stages(functional.gelu(network.whiten(look)))
            logits = network.decide(maps.amax((2, 3)))
            (gradient,) = torch.autograd.grad(logits.diagonal().sum(), maps)
            weighted = (gradient.mean((2, 3), keepdim=True) * maps).sum(1).detach().double().numpy()
            expected += weighted[..., ::-1] if turned else weighted
    assert (expected > 0).any()
    np.testing.assert_allclose(grad_cam(network, images, classes), expected_cam(expected, 16), atol=1e-4)


def test_no_place_speaks_for_a_class_whose_weights_are_all_against_it() -> None:
    network = Squares(8, torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]))
    images = pictures(1, 8).abs().expand(2, -1, -1, -1)
    maps = grad_cam(network, images, torch.tensor([0, 1]))
    assert (float(maps[0].max()), float(maps[1].max())) == (0, 1)


def test_the_last_map_of_more_than_one_place_is_taken_where_the_stages_end_in_one() -> None:
    torch.manual_seed(0)
    network = CNN(2, 8, 4, [4, 4, 4], [0, 0, 0])  # 8 px, halved three times
    assert network.stages(network.stem(pictures(1, 8))).shape[2:] == (1, 1)
    assert attribution(network, pictures(2, 8), torch.tensor([0, 1]))[1] == GRAD_CAM


@pytest.mark.parametrize("make", [lambda: MLP(3, 16), lambda: Backbone(3, 224, "vit_b_16")], ids=["MLP", "vit"])
def test_a_network_without_a_map_is_pointed_to_saliency_and_explained_by_it(make: Callable[[], Network]) -> None:
    torch.manual_seed(0)
    network, classes = make(), torch.tensor([1])
    if isinstance(network, Backbone):
        nn.init.normal_(network.body.class_token)
    images = pictures(1, network.image_size)
    with pytest.raises(UsageError, match="use saliency"):
        grad_cam(network, images, classes)
    maps, method = attribution(network, images, classes)
    assert method == SALIENCY
    assert torch.equal(maps, saliency(network, images, classes))
    assert float(maps.max()) == 1


def test_attribution_is_grad_cam_where_there_is_a_map() -> None:
    network, images, classes = network_of("CNN", 16), pictures(2, 16), torch.tensor([0, 3])
    maps, method = attribution(network, images, classes)
    assert method == GRAD_CAM
    assert torch.equal(maps, grad_cam(network, images, classes))


def test_saliency_of_a_linear_network_is_the_size_of_its_weights() -> None:
    network, classes = MLP(3, 12, widths=[]), torch.tensor([2, 0])
    weight = network.layers[-1].weight.detach().numpy()[classes]
    sizes = np.abs(weight).reshape(2, 3, 144).max(1)
    bright = np.sort(sizes, axis=1)[:, math.ceil(0.99 * 144) - 1, None]
    expected = np.minimum(sizes / bright, 1).reshape(2, 12, 12)
    np.testing.assert_allclose(saliency(network, pictures(2, 12), classes), expected, rtol=1e-5)


def test_saliency_of_few_pixels_is_scaled_by_the_greatest() -> None:
    network = MLP(2, 20, widths=[])
    with torch.no_grad():
        network.layers[-1].weight.zero_()
        network.layers[-1].weight[0, [7, 9]] = torch.tensor([-4.0, 1.0])
    maps = saliency(network, pictures(2, 20), torch.tensor([0, 1])).flatten(1)
    assert maps[0, [7, 9]].tolist() == [1, 0.25]
    assert (float(maps[0].sum()), float(maps[1].sum())) == (1.25, 0)


@pytest.mark.parametrize("name", ["CNN", "mobilenet_v3_small"])
@pytest.mark.parametrize("method", [grad_cam, saliency])
def test_a_batch_is_explained_as_its_pictures_one_by_one(name: str, method: Method) -> None:
    network, images, classes = network_of(name, 64).train(), pictures(4, 64), torch.tensor([0, 1, 2, 3])
    alone = torch.cat([method(network, images[n : n + 1], classes[n : n + 1]) for n in range(4)])
    torch.testing.assert_close(method(network, images, classes), alone, atol=1e-3, rtol=0)


def state(network: Network) -> tuple[object, ...]:
    values = {name: value.tolist() for name, value in network.state_dict().items()}
    flags = [(p.requires_grad, None if p.grad is None else p.grad.tolist()) for p in network.parameters()]
    modes = [(module.training, len(module._forward_hooks)) for module in network.modules()]
    return values, flags, modes


@pytest.mark.parametrize("method", [grad_cam, saliency, attribution])
def test_the_network_and_the_images_are_left_as_they_were(method: Method) -> None:
    network, images = network_of("CNN", 16).train(), pictures(2, 16)
    network.logits(images).sum().backward()
    network.stem.eval().requires_grad_(False)  # half of it frozen
    before, pixels = state(network), images.clone()
    method(network, images, torch.tensor([0, 1]))
    with pytest.raises(UsageError, match="from 0 to 3"):
        method(network, images, torch.tensor([0, 4]))
    assert state(network) == before
    assert torch.equal(images, pixels)
    assert (images.requires_grad, images.grad) == (False, None)


@pytest.mark.parametrize("method", [grad_cam, saliency])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_frozen_network_under_a_caller_without_gradients_is_explained(method: Method, mode: type) -> None:
    network = network_of("CNN", 16)
    expected = method(network, pictures(2, 16), torch.tensor([0, 3]))
    network.requires_grad_(False)
    with mode():
        got = method(network, pictures(2, 16) + 0, torch.tensor([0, 3]) + 0)
        assert not torch.is_grad_enabled()
    assert torch.equal(got, expected)
    assert not got.requires_grad


@pytest.mark.parametrize("method", [grad_cam, saliency, attribution])
@pytest.mark.parametrize(
    ("images", "classes", "said"),
    [
        (torch.zeros(2, 1, 16, 16), [0, 1], "images is"),
        (torch.zeros(3, 16, 16), [0, 1], "images is"),
        (torch.zeros(0, 3, 16, 16), [], "images is"),
        (torch.zeros(2, 3, 16, 16, dtype=torch.uint8), [0, 1], "images is torch.uint8"),
        (torch.zeros(2, 3, 16, 16), [0], r"classes is \(1,\)"),
        (torch.zeros(2, 3, 16, 16), [0, -1], "from 0 to 3"),
    ],
)
def test_what_does_not_fit_is_refused(method: Method, images: Tensor, classes: list[int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        method(network_of("CNN", 16), images, torch.tensor(classes))
