from __future__ import annotations

import numpy as np
import pytest
import torch

from bluebird.inspection.features import plain_features


def pictures(seed: int = 0, count: int = 3, size: int = 64) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 3, size, size), np.uint8))


def test_a_picture_s_features_do_not_depend_on_its_company() -> None:
    together = plain_features(pictures())
    assert together.shape == (3, 384)
    assert np.concatenate([plain_features(one[None]) for one in pictures()]) == pytest.approx(together, abs=1e-6)


def test_the_palette_is_numpy_s_histogram() -> None:
    seen = pictures()
    for picture, features in zip(seen, plain_features(seen), strict=True):
        counts, _ = np.histogramdd(picture.flatten(1).T.numpy(), bins=4, range=[(0, 256)] * 3)
        assert features[192:256] ** 2 == pytest.approx(counts.ravel() / 64**2, abs=1e-6)


@pytest.mark.parametrize(("dy", "dx", "direction"), [(0, 1, 0), (1, 1, 2), (1, 0, 4), (1, -1, 6)])
def test_a_ramp_has_edges_of_its_own_direction_alone(dy: int, dx: int, direction: int) -> None:
    y, x = np.mgrid[:64, :64]
    ramp = (128 + dy * y + dx * x).astype(np.uint8)
    (features,) = plain_features(torch.from_numpy(np.stack([ramp] * 3)[None]))
    strength = (features[256:] ** 2).reshape(8, 4, 4).sum((1, 2))
    assert strength.argmax() == direction
    assert strength[direction] > 0.9  # the last row and column have no neighbour on one side


def test_edges_stand_in_the_field_where_they_are() -> None:
    picture = np.zeros((1, 3, 64, 64), np.uint8)
    picture[..., 20:28, 40] = 255  # second row of fields, third column
    (features,) = plain_features(torch.from_numpy(picture))
    fields = (features[256:] ** 2).reshape(8, 4, 4).sum(0)
    assert fields[1, 2] == pytest.approx(1, abs=1e-3)


def test_pictures_of_any_side_have_as_many_features() -> None:
    assert plain_features(pictures(size=17)).shape == plain_features(pictures(size=224)).shape == (3, 384)
