from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bluebird.bundle import Bundle, Preprocessing, load_model
from bluebird.errors import UsageError
from bluebird.nets import MLP
from bluebird.nets.attribution import GRAD_CAM, HIRES_CAM, SALIENCY, grad_cam, saliency
from bluebird.report.why import METHODS, explained, legend
from bluebird.watch.overlay import overlay

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


@pytest.fixture(scope="module")
def model(trained: Path) -> Bundle:
    return load_model(trained)


def pictures(count: int, side: int = 16) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8))


def normalised(pixels: Tensor, given: Preprocessing) -> Tensor:
    mean, std = (np.array(values).reshape(1, 3, 1, 1) for values in (given.mean, given.std))
    return torch.from_numpy((pixels.numpy() / 255 - mean) / std).float()


def off(one: Tensor, other: Tensor) -> int:
    return int((one.int() - other.int()).abs().max())


def test_each_picture_lies_under_its_own_map_however_many_there_are(model: Bundle) -> None:
    pixels, classes = pictures(35), torch.arange(35) % 3
    overlays, method = explained(model, pixels, classes)
    assert (method, overlays.dtype, overlays.shape) == (GRAD_CAM, torch.uint8, pixels.shape)
    for row in range(35):
        one = slice(row, row + 1)
        maps = grad_cam(model.network, normalised(pixels[one], model.preprocessing), classes[one])
        assert off(overlays[one], overlay(pixels[one], maps)) <= 1


def test_a_network_without_a_map_of_places_is_explained_by_saliency() -> None:
    torch.manual_seed(0)
    flat = Bundle(MLP(3, 16, [8]).eval(), ("a", "b", "c"), Preprocessing(16, MEAN, STD))
    pixels, classes = pictures(3), torch.tensor([2, 0, 1])
    overlays, method = explained(flat, pixels, classes)
    assert method == SALIENCY
    expected = overlay(pixels, saliency(flat.network, normalised(pixels, flat.preprocessing), classes))
    assert off(overlays, expected) <= 1


def test_pictures_and_model_stay_as_they_were(model: Bundle) -> None:
    pixels = pictures(3)
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    explained(model, pixels, torch.zeros(3, dtype=torch.int64))
    assert torch.equal(pixels, pictures(3))
    assert not model.network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.network.state_dict().items())
    assert all(parameter.grad is None for parameter in model.network.parameters())


def test_another_temperature_moves_no_map(model: Bundle) -> None:
    pixels, classes = pictures(4), torch.tensor([0, 1, 2, 0])
    warm, _ = explained(replace(model, temperature=3.0), pixels, classes)
    assert torch.equal(warm, explained(model, pixels, classes)[0])


@pytest.mark.parametrize("method", [GRAD_CAM, HIRES_CAM, SALIENCY])
def test_every_method_is_told_in_words(method: str) -> None:
    assert method.lower() in METHODS[method].lower()


def test_the_legend_rises_from_grey_to_yellow() -> None:
    strip = legend()
    assert (strip.dtype, strip.shape[0]) == (torch.uint8, 3)
    assert (strip == strip[:, :1]).all()  # every row is the same
    red, green, blue = strip[:, 0].int()
    assert red[0] == green[0] == blue[0] == 128
    assert min(red[-1], green[-1]) > blue[-1] + 50


@pytest.mark.parametrize(
    ("pixels", "classes"),
    [
        (pictures(2), torch.tensor([0])),
        (pictures(2), torch.tensor([0, 3])),
        (pictures(2)[:, :2], torch.tensor([0, 1])),
        (pictures(0), torch.zeros(0, dtype=torch.int64)),
        (pictures(17), torch.zeros(16, dtype=torch.int64)),
    ],
)
def test_what_does_not_fit_is_refused(model: Bundle, pixels: Tensor, classes: Tensor) -> None:
    with pytest.raises(UsageError):
        explained(model, pixels, classes)
