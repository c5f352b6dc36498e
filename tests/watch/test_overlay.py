from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from bluebird.errors import UsageError
from bluebird.watch.overlay import overlay


def photos(count: int = 3, side: int = 24) -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    return torch.from_numpy(values)


def greys(pictures: torch.Tensor) -> np.ndarray:
    """(N, S, S), as Pillow turns them grey."""
    return np.stack([np.asarray(Image.fromarray(p.permute(1, 2, 0).numpy()).convert("L")) for p in pictures])


def test_where_nothing_speaks_the_picture_is_grey() -> None:
    laid = overlay(photos(), torch.zeros(3, 24, 24)).numpy()
    assert (laid.dtype, laid.shape) == (np.uint8, (3, 3, 24, 24))
    assert (laid == laid[:, :1]).all()
    assert np.abs(laid[:, 0].astype(int) - greys(photos())).max() <= 1


@pytest.mark.parametrize("value", [0.25, 0.5, 1.0])
def test_colour_covers_by_four_fifths_of_the_map(value: float) -> None:
    colour = np.array(matplotlib.colormaps["inferno"](value)[:3]).reshape(1, 3, 1, 1) * 255
    expected = (1 - 0.8 * value) * greys(photos())[:, None] + 0.8 * value * colour
    laid = overlay(photos(), torch.full((3, 24, 24), value)).numpy()
    assert np.abs(laid - expected).max() < 2.5  # a step of the scale and of rounding


def test_each_place_has_its_own_colour_and_each_picture_its_own_map() -> None:
    maps = torch.zeros(2, 24, 24)
    maps[1, 3, 20] = 1
    pictures = photos(2)
    changed = overlay(pictures, maps) != overlay(pictures, torch.zeros(2, 24, 24))
    assert changed.any(1).nonzero().tolist() == [[1, 3, 20]]


def test_the_pictures_themselves_stay_as_they_are() -> None:
    pictures = photos()
    overlay(pictures, torch.rand(3, 24, 24))
    assert torch.equal(pictures, photos())


@pytest.mark.parametrize(
    ("pictures", "maps", "said"),
    [
        (photos().float(), torch.zeros(3, 24, 24), "pictures is torch.float32"),
        (photos()[:, :1], torch.zeros(3, 24, 24), "pictures is"),
        (photos(), torch.zeros(3, 12, 12), r"maps is \(3, 12, 12\)"),
        (photos(), torch.zeros(24, 24), "maps is"),
    ],
)
def test_what_does_not_fit_is_refused(pictures: torch.Tensor, maps: torch.Tensor, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        overlay(pictures, maps)
