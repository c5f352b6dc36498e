from __future__ import annotations

import numpy as np
import pytest

from bluebird.errors import UsageError
from bluebird.pixels.paint import CLASS_NAMES, SPECIES, paint_picture


def _pixels(name: str, **options: object) -> np.ndarray:
    return np.asarray(paint_picture(name, **{"seed": 0, "index": 0} | options), dtype=float)  # type: ignore[arg-type]


def test_there_are_eight_species_and_more_and_pictures_without_a_bird() -> None:
    assert len(SPECIES) >= 8
    assert {"bluebird", "indigo_bunting", "blue_jay", "no_bird"} <= set(CLASS_NAMES)
    assert len(set(CLASS_NAMES)) == len(SPECIES) + 1


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_the_same_seed_paints_the_same_pixels(name: str) -> None:
    first = _pixels(name)
    assert first.shape == (64, 64, 3)
    np.testing.assert_array_equal(first, _pixels(name))
    assert np.abs(first - _pixels(name, index=1)).mean() > 5
    assert np.abs(first - _pixels(name, seed=1)).mean() > 5


def test_an_easy_bluebird_is_blue_above_and_rusty_below() -> None:
    for index in range(20):
        bird = _pixels("bluebird", index=index, difficulty=0.0, size_px=96)
        bunting = _pixels("indigo_bunting", index=index, difficulty=0.0, size_px=96)  # same scene and pose
        red, _, blue = np.moveaxis(bird, -1, 0)
        rust = (np.abs(bird - bunting).sum(-1) > 60) & (red > blue + 60)
        sky = (blue > red + 60) & (bunting[..., 2] > bunting[..., 0] + 60)
        assert rust.mean() > 0.01
        assert sky.mean() > 0.05


def test_difficulty_makes_birds_stand_out_less() -> None:
    def spread(difficulty: float) -> float:
        pictures = [
            [_pixels(name, index=index, difficulty=difficulty, size_px=32) for index in range(30)]
            for name in ("cardinal", "indigo_bunting")
        ]
        centres = [np.mean(group, axis=0) for group in pictures]
        return float(np.abs(centres[0] - centres[1]).mean())

    assert spread(0.0) > 1.5 * spread(1.0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"size_px": 8}, "size is 8 px"), ({"difficulty": 1.5}, "difficulty is 1.5")],
)
def test_requests_out_of_range_are_refused(options: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        _pixels("bluebird", **options)


def test_a_species_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="'pikachu' cannot be painted"):
        _pixels("pikachu")
