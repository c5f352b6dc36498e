from __future__ import annotations

import numpy as np
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from bluebird.pixels.augment.geometry import RandomCrops, RandomFlips, RandomShifts, RandomZooms, show_windows


def _images(n: int = 64, side: int = 12) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


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


def _ramps(n: int, side: int) -> torch.Tensor:
    """Pictures whose first channel says how far down a pixel lies, the second how far right, from 0 to 1."""
    places = (torch.arange(side) + 0.5) / side
    down, right = places[:, None].expand(side, side), places.expand(side, side)
    return torch.stack([down, right, down]).expand(n, 3, side, side).contiguous()


def _spans(shown: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Heights and widths of the windows of ramps, as shares of the side."""
    side = shown.shape[-1]
    stretch = side / (side - 1)  # from the middle of the first pixel to that of the last
    return (shown[:, 0, -1, 0] - shown[:, 0, 0, 0]) * stretch, (shown[:, 1, 0, -1] - shown[:, 1, 0, 0]) * stretch


def test_a_window_at_whole_pixels_is_a_resized_crop() -> None:
    image = _images(1, 24).float()
    for top, left, height, width in ((0, 0, 24, 24), (3, 5, 10, 16), (12, 0, 12, 6), (20, 9, 4, 15)):
        expected = v2.functional.resized_crop(image, top, left, height, width, [24, 24])
        sides = torch.tensor([height, width]).view(2, 1, 1) / 24
        centres = torch.tensor([2 * top + height, 2 * left + width]).view(2, 1, 1) / 24 - 1
        ours = show_windows(image, sides, centres)
        # a crop ends at its edge, and repeats it; a window sees what lies half a pixel beyond
        inner = (slice(None), slice(None), slice(12 // height + 1, -12 // height), slice(12 // width + 1, -12 // width))
        torch.testing.assert_close(ours[inner], expected[inner], atol=0.01, rtol=1e-5)


def test_crops_are_as_high_and_as_wide_as_those_of_torchvision() -> None:
    torch.manual_seed(3)
    heights, widths = _spans(RandomCrops(zoom=0.6, aspect=0.25, shift=0.0)(_ramps(3000, 32)))
    theirs = v2.RandomResizedCrop(1000, scale=(0.16, 1.0), ratio=(0.75, 4 / 3))
    drawn = [theirs.make_params([torch.empty(3, 1000, 1000)]) for _ in range(3000)]
    for name, ours in (("height", heights), ("width", widths)):
        assert ks_2samp(ours.numpy(), [box[name] / 1000 for box in drawn]).pvalue > 0.01


def test_crops_lie_anywhere_within_the_picture() -> None:
    torch.manual_seed(4)
    shown = RandomCrops(zoom=0.6, aspect=0.25, shift=0.0)(_ramps(3000, 32))
    heights, _ = _spans(shown)
    tops = shown[:, 0, 0, 0] - heights / 64
    assert tops.min() > -1e-4
    assert (tops + heights).max() < 1 + 1e-4
    places = (tops / (1 - heights))[heights < 0.9]
    assert ks_2samp(places.numpy(), np.linspace(0, 1, 1000)).pvalue > 0.01


def test_a_shift_moves_a_crop_beyond_the_edge_where_the_picture_is_mirrored() -> None:
    torch.manual_seed(5)
    shown = RandomCrops(zoom=0.01, aspect=0.25, shift=0.25)(_ramps(400, 32))
    lowest = shown[:, 0].amin((1, 2))
    assert (shown[:, 0, 0, 0] > lowest + 0.01).float().mean() > 0.3  # it falls, then rises again
    assert 0.23 < shown[:, 0, 0, 0].max() < 0.25 + 1 / 64 + 0.005  # half a pixel, and the room that a crop of 99 % has


def test_where_no_crop_fits_the_whole_picture_is_shown() -> None:
    images = _images().float()
    torch.testing.assert_close(RandomCrops(zoom=0.0, aspect=0.9, shift=0.0)(images), images, atol=1e-2, rtol=0)
