from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import nn

from bluebird.bundle import Bundle, Preprocessing, load_model, save_bundle
from bluebird.errors import BundleError, UsageError
from bluebird.nets import Backbone
from bluebird.nets.attribution import GRAD_CAM, HIRES_CAM, attribution, grad_cam
from bluebird.nets.maps import map_of

PARTED = [
    ("resnet18", 32), ("mobilenet_v2", 32), ("efficientnet_b0", 32), ("convnext_tiny", 32), ("vit_b_32", 64),
    ("swin_t", 32), ("vgg11_bn", 32), ("densenet121", 32), ("timm/resnet18", 32), ("mobilenetv3_small_050", 32),
    ("efficientnet_lite0", 32), ("convnext_atto", 32), ("vit_tiny_patch16_224", 32), ("eva02_tiny_patch14_224", 28),
    ("swin_tiny_patch4_window7_224", 64),
]  # fmt: skip


def needs(name: str) -> None:
    if name.startswith("timm/") or name in {one for one, _ in PARTED[9:]}:
        pytest.importorskip("timm")


@pytest.mark.parametrize(("name", "side"), PARTED)
def test_each_parameter_of_the_body_is_in_exactly_one_part_in_order(name: str, side: int) -> None:
    needs(name)
    network = Backbone(3, side, name)
    parts = network.blocks()
    assert len(parts) >= 5
    assert all(list(part.parameters()) for part in parts)
    found = [id(parameter) for part in parts for parameter in part.parameters()]
    assert found == [id(parameter) for parameter in network.body.parameters()]


@pytest.mark.parametrize(
    ("name", "side", "count"), [("vit_b_32", 64, 12), ("vit_tiny_patch16_224", 32, 12), ("resnet18", 32, 4)]
)
def test_parts_are_a_stem_and_the_blocks_behind_it(name: str, side: int, count: int) -> None:
    """Twelve layers of a vit and four stages of a resnet, as their papers count them, and what stands before."""
    needs(name)
    parts = Backbone(3, side, name).blocks()
    assert len(parts) == 1 + count
    assert any(isinstance(module, nn.Conv2d) for module in parts[0].modules())


def test_a_mirrored_look_is_the_mean_of_both_and_only_while_it_judges() -> None:
    torch.manual_seed(0)
    network = Backbone(4, 32, mirror=True).eval()
    images = torch.randn(5, 3, 32, 32)
    with torch.no_grad():
        one, other = network.decide(network.body(images)), network.decide(network.body(images.flip(-1)))
        assert torch.allclose(network.logits(images), (one + other) / 2, atol=1e-5)
        assert torch.allclose(network.logits(images), network.logits(images.flip(-1)), atol=1e-5)
        network.train()
        network.body.eval()  # batch norm by the same statistics
        assert torch.equal(network.features(images), network.body(images))


@pytest.mark.parametrize("mirror", [False, True])
def test_looks_at_several_scales_are_their_mean_and_only_while_it_judges(mirror: bool) -> None:
    torch.manual_seed(0)
    network = Backbone(4, 64, mirror=mirror, scales=[1.0, 0.75, 0.5]).eval()
    images = torch.randn(3, 3, 64, 64)
    ways = [images, images.flip(-1)] if mirror else [images]
    with torch.no_grad():
        looks = [
            network.body(torch.nn.functional.interpolate(way, size=(side, side), mode="bilinear"))
            for way in ways
            for side in (64, 48, 32)
        ]
        assert torch.allclose(network.features(images), torch.stack(looks).mean(0), atol=1e-5)
        network.train()
        network.body.eval()
        assert torch.equal(network.features(images), network.body(images))


def test_where_it_looked_is_told_of_the_largest_of_several_looks() -> None:
    torch.manual_seed(0)
    network, images, classes = Backbone(3, 64, scales=[1, 0.5]).eval(), torch.randn(2, 3, 64, 64), torch.tensor([0, 2])
    alone = Backbone(3, 64).eval()
    alone.load_state_dict(network.state_dict())
    assert torch.allclose(attribution(network, images, classes)[0], attribution(alone, images, classes)[0], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "scales", "reason"),
    [
        ("resnet18", [], "scales is"),
        ("resnet18", [1.5], "scales is"),
        ("resnet18", [0.0, 1.0], "scales is"),
        ("vit_b_32", [0.5, 1.0], "vit_b_32 cannot look at pictures of 32 px"),
    ],
)
def test_scales_that_cannot_be_are_refused(name: str, scales: list[float], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Backbone(3, 64, name, scales=scales)


@pytest.mark.parametrize("pooling", ["as_built", "covariance"])
def test_where_it_looked_does_not_depend_on_which_way_the_picture_is_held(
    pooling: Literal["as_built", "covariance"],
) -> None:
    torch.manual_seed(0)
    network = Backbone(3, 64, pooling=pooling, mirror=True, scales=[0.5, 1]).eval()
    images, classes = torch.randn(2, 3, 64, 64), torch.tensor([0, 2])
    maps, _ = attribution(network, images, classes)
    turned, _ = attribution(network, images.flip(-1), classes)
    assert maps.shape == (2, 64, 64)
    assert torch.allclose(maps, turned.flip(-1), atol=1e-4)


def test_of_covariance_each_place_is_told_by_what_it_adds() -> None:
    torch.manual_seed(0)
    network, images = Backbone(3, 64, "resnet18", pooling="covariance").eval(), torch.randn(2, 3, 64, 64)
    assert network.pool is not None
    places = network.pool.reduce(map_of(network.body)(images)).detach().requires_grad_()  # (2, 128, 2, 2)
    logits = network.head(network.pool(places))
    (slope,) = torch.autograd.grad(logits[0, 2] + logits[1, 0], places)
    assert slope.sum((2, 3)).abs().max() < 1e-4 * slope.abs().max()  # in the mean, as Grad-CAM weighs, nothing is left
    added = (slope * (places - places.mean((2, 3), keepdim=True))).sum(1, keepdim=True).relu()
    full = torch.nn.functional.interpolate(added, size=(64, 64), mode="bilinear").squeeze(1)
    maps, method = attribution(network, images, torch.tensor([2, 0]))
    assert method == HIRES_CAM
    assert torch.allclose(maps, full / full.amax((1, 2), keepdim=True), atol=1e-4)
    with pytest.raises(UsageError, match="use HiResCAM"):
        grad_cam(network, images, torch.tensor([2, 0]))


def kept(network: Backbone, folder: Path) -> Bundle:
    bundle = Bundle(network.eval(), ("a", "b", "c"), Preprocessing(network.image_size, [0.5] * 3, [0.5] * 3))
    save_bundle(bundle, folder)
    return bundle


@pytest.mark.parametrize("name", ["resnet18", "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"])
def test_a_bundle_rebuilds_it_to_the_same_answers(name: str, tmp_path: Path) -> None:
    needs(name)
    network = Backbone(3, 48, name, mirror=True, padding="same" if name == "resnet18" else "as_built")
    bundle = kept(network, tmp_path)
    again = load_model(tmp_path)
    images = torch.randn(2, 3, 48, 48)
    assert torch.equal(again.network(images), network(images))
    assert again.fingerprint == bundle.fingerprint


def test_a_bundle_of_timms_is_refused_in_one_line_where_timm_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("timm/resnet18")
    kept(Backbone(3, 32, "timm/resnet18"), tmp_path)
    monkeypatch.setitem(sys.modules, "timm", None)  # as import treats what is not installed
    with pytest.raises(
        BundleError, match=r"timm is needed and not installed: pip install 'bluebird\[timm\]'"
    ) as refusal:
        load_model(tmp_path)
    assert "\n" not in str(refusal.value)


def test_arguments_of_older_models_stay_as_they_were() -> None:
    """A fingerprint covers them: of a model that was written before there were others, it must not change."""
    expected = {"num_classes": 3, "image_size": 32, "name": "resnet18", "dropout": 0.2, "freeze": "nothing"}
    assert Backbone(3, 32).arguments == expected


def test_trying_the_size_leaves_the_statistics_of_batch_norm_untouched() -> None:
    norms = [module for module in Backbone(3, 32).modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert all(norm.training and norm.num_batches_tracked == 0 for norm in norms)


@pytest.mark.parametrize("name", ["convnext_atto", "mobilenetv3_small_050"])
def test_grad_cam_finds_a_map_in_timms_convolutions(name: str) -> None:
    needs(name)
    torch.manual_seed(0)
    network = Backbone(3, 96, name)
    maps, method = attribution(network, torch.randn(3, 3, 96, 96), torch.arange(3))
    assert (method, tuple(maps.shape)) == (GRAD_CAM, (3, 96, 96))


def test_grad_cam_reads_maps_whose_channels_come_last() -> None:
    """timm's swin ends in (N, H, W, C) and their mean: the same, turned round by hand, is the oracle."""
    needs("swin_tiny_patch4_window7_224")
    torch.manual_seed(0)
    network, images, classes = Backbone(3, 64, "swin_tiny_patch4_window7_224").eval(), torch.randn(2, 3, 64, 64), [0, 2]
    maps = network.body.forward_features(images).detach().requires_grad_()  # (N, 2, 2, C)
    network.decide(maps.mean((1, 2)))[[0, 1], classes].sum().backward()
    weighted = (maps.grad.mean((1, 2), keepdim=True) * maps).sum(3).relu().detach()
    full = nn.functional.interpolate(weighted[:, None], size=64, mode="bilinear")[:, 0]
    expected = full / full.amax((1, 2), keepdim=True).clamp(min=1e-30)
    torch.testing.assert_close(grad_cam(network, images, torch.tensor(classes)), expected, atol=1e-4, rtol=0)
