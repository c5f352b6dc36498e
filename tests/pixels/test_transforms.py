from __future__ import annotations

import numpy as np
import pytest
import torch

from bluebird.errors import UsageError
from bluebird.pixels.transforms import (
    Augment,
    RandomFlips,
    RandomShifts,
    RandomZooms,
    eval_transform,
    train_transform,
)

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


def _images(n: int = 64, side: int = 12) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_looking_normalises_each_channel_by_the_formula() -> None:
    images = _images()
    expected = (images.double().numpy() / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    np.testing.assert_allclose(eval_transform(MEAN, STD)(images).numpy(), expected, atol=1e-5)


def test_looking_is_never_random() -> None:
    transform = eval_transform(MEAN, STD)
    assert torch.equal(transform(_images()), transform(_images()))


def test_learning_without_augmentation_is_looking() -> None:
    plain = train_transform(MEAN, STD, Augment(flip=False, shift=0, zoom=0))
    assert torch.equal(plain(_images()), eval_transform(MEAN, STD)(_images()))


def test_each_picture_is_flipped_or_not_on_its_own() -> None:
    images = _images(400)
    flipped = RandomFlips()(images)
    same = (flipped == images).flatten(1).all(1)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 140 < same.sum() < 260


def test_a_shift_moves_by_whole_pixels_and_mirrors_the_edge() -> None:
    images = _images(200)
    reach = 3
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
    seen = set()
    for image, windows in zip(RandomShifts(0.25)(images).numpy(), padded, strict=True):
        offsets = [
            (dy, dx)
            for dy in range(2 * reach + 1)
            for dx in range(2 * reach + 1)
            if (windows[:, dy : dy + 12, dx : dx + 12] == image).all()
        ]
        assert len(offsets) == 1
        seen |= set(offsets)
    assert len(seen) > 40  # of 49


def test_a_zoom_of_nothing_changes_nothing() -> None:
    images = _images().float()
    torch.testing.assert_close(RandomZooms(0.0, 0.0)(images), images, atol=1e-2, rtol=0)


def test_a_zoom_shows_a_window_of_the_picture() -> None:
    ramp = torch.linspace(0, 1, 64).expand(50, 3, 64, 64).contiguous()
    zoomed = RandomZooms(0.5, 0.0)(ramp)
    span = zoomed[:, 0, 0, -1] - zoomed[:, 0, 0, 0]
    assert (span > 0.48).all()
    assert (span < 1.01).all()
    assert span.std() > 0.1
    torch.testing.assert_close(zoomed.mean((1, 2, 3)), torch.full((50,), 0.5), atol=1e-3, rtol=0)


def test_the_random_state_alone_decides() -> None:
    transform = train_transform(MEAN, STD, Augment())
    torch.manual_seed(5)
    first = transform(_images())
    torch.manual_seed(5)
    assert torch.equal(transform(_images()), first)
    assert not torch.equal(transform(_images()), first)


@pytest.mark.parametrize("arguments", [{"shift": -0.1}, {"zoom": 1.0}])
def test_shares_out_of_range_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="expected a share"):
        Augment(**arguments)  # type: ignore[arg-type]
