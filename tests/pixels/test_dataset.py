from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import DataLoader

from bluebird.pixels.dataset import EpochShuffle, PictureDataset, channel_stats


def _pixels(n: int = 40) -> torch.Tensor:
    return torch.randint(0, 256, (n, 6, 6, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


def test_a_batch_holds_the_asked_rows_with_their_targets() -> None:
    pixels, rows = _pixels(), torch.tensor([7, 3, 30, 12])
    dataset = PictureDataset(pixels, rows, torch.arange(40) * 10)
    images, targets = dataset.__getitems__([3, 0])
    np.testing.assert_array_equal(images.permute(0, 2, 3, 1), pixels[[12, 7]])
    assert targets.tolist() == [120, 70]
    assert images.is_contiguous(memory_format=torch.channels_last)
    image, target = dataset[2]
    np.testing.assert_array_equal(image, images.new_tensor(pixels[30].permute(2, 0, 1).numpy()))
    assert target == 300


def test_a_loader_takes_whole_batches() -> None:
    dataset = PictureDataset(_pixels(), torch.arange(40), torch.arange(40))
    loader = DataLoader(dataset, 16, collate_fn=lambda batch: batch)
    assert [len(targets) for _, targets in loader] == [16, 16, 8]


def test_an_epoch_shows_every_picture_once_in_an_order_of_its_own() -> None:
    shuffle = EpochShuffle(100, seed=1)
    first = list(shuffle)
    shuffle.set_epoch(1)
    second = list(shuffle)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    shuffle.set_epoch(0)
    assert list(shuffle) == first
    assert list(EpochShuffle(100, seed=2)) != first


def test_channel_statistics_are_those_of_float64() -> None:
    pixels, rows = _pixels(90), torch.arange(0, 90, 2)
    mean, std = channel_stats(pixels, rows, chunk=7)
    values = pixels[rows].numpy().reshape(-1, 3).astype(np.float64) / 255
    np.testing.assert_allclose(mean, values.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, values.std(0), rtol=1e-9)


def test_a_channel_that_never_varies_divides_by_one() -> None:
    _, std = channel_stats(torch.full((3, 2, 2, 3), 9, dtype=torch.uint8), torch.arange(3))
    assert std == [1, 1, 1]
