from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.distributed import DistributedSamplerWrapper
from torch.utils.data import DataLoader

from bluebird.pixels.dataset import BalancedShuffle, EpochShuffle, PictureDataset, channel_stats


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


UNEVEN = torch.tensor([0] * 70 + [2] * 25 + [3] * 5)  # class 1 has no picture
UNEVEN_SHUFFLED = UNEVEN[torch.randperm(100, generator=torch.Generator().manual_seed(3))]


def test_a_balanced_epoch_keeps_its_length_and_shows_each_class_equally_often() -> None:
    shuffle = BalancedShuffle(UNEVEN_SHUFFLED, seed=1)
    for epoch in range(6):
        shuffle.set_epoch(epoch)
        indices = list(shuffle)
        assert len(indices) == len(shuffle) == 100
        counts = np.bincount(UNEVEN_SHUFFLED[indices], minlength=4)
        assert counts[1] == 0
        assert sorted(counts) == [0, 33, 33, 34]


def test_a_balanced_epoch_shows_the_pictures_of_a_class_equally_often() -> None:
    counts = np.bincount(list(BalancedShuffle(UNEVEN_SHUFFLED, seed=1)), minlength=100)
    assert set(counts[UNEVEN_SHUFFLED == 0]) == {0, 1}
    assert set(counts[UNEVEN_SHUFFLED == 2]) == {1, 2}
    assert set(counts[UNEVEN_SHUFFLED == 3]) <= {6, 7}


def test_balanced_epochs_show_all_pictures_in_time_and_lots_decide_who_comes_once_more() -> None:
    shuffle, seen, once_more = BalancedShuffle(UNEVEN_SHUFFLED, seed=1), set(), set()
    for epoch in range(20):
        shuffle.set_epoch(epoch)
        indices = list(shuffle)
        seen |= set(indices)
        once_more.add(int(np.bincount(UNEVEN_SHUFFLED[indices]).argmax()))
    assert seen == set(range(100))
    assert once_more == {0, 2, 3}


def test_a_balanced_order_mixes_the_classes() -> None:
    indices = list(BalancedShuffle(torch.arange(1000) % 2, seed=1))
    runs = 1 + sum(one % 2 != other % 2 for one, other in pairwise(indices))
    assert 440 < runs < 560  # 501 in the mean, and a deviation of 16


def test_a_balanced_order_depends_on_the_seed_and_the_epoch_alone() -> None:
    shuffle, other = BalancedShuffle(UNEVEN_SHUFFLED, seed=1), BalancedShuffle(UNEVEN_SHUFFLED, seed=1)
    first = list(shuffle)
    shuffle.set_epoch(1)
    torch.manual_seed(9)
    other.set_epoch(1)
    assert list(shuffle) == list(other) != first
    assert list(BalancedShuffle(UNEVEN_SHUFFLED, seed=2)) != first


@pytest.mark.parametrize("shuffle", [EpochShuffle(100, seed=1), BalancedShuffle(UNEVEN_SHUFFLED, seed=1)])
def test_two_machines_share_the_epoch_that_one_would_see(shuffle: EpochShuffle) -> None:
    shares = [DistributedSamplerWrapper(shuffle, num_replicas=2, rank=rank) for rank in range(2)]
    epochs = []
    for epoch in range(2):
        for share in shares:
            share.set_epoch(epoch)
        epochs.append(sorted(index for share in shares for index in share))
        assert epochs[-1] == sorted(shuffle)
    assert epochs[0] != epochs[1] or not isinstance(shuffle, BalancedShuffle)


def test_channel_statistics_are_those_of_float64() -> None:
    pixels, rows = _pixels(90), torch.arange(0, 90, 2)
    mean, std = channel_stats(pixels, rows, chunk=7)
    values = pixels[rows].numpy().reshape(-1, 3).astype(np.float64) / 255
    np.testing.assert_allclose(mean, values.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, values.std(0), rtol=1e-9)


PEAK = """
import resource, torch
from bluebird.pixels.dataset import channel_stats
pixels = torch.zeros(1, 320, 320, 3, dtype=torch.uint8).expand(1024, 320, 320, 3)
channel_stats(pixels, torch.zeros(1, dtype=torch.int64))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
channel_stats(pixels, torch.arange(1024))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ru_maxrss has other units")
def test_channel_statistics_hold_few_pictures_at_a_time() -> None:
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150_000  # KiB; the pictures are 300 MiB, as integers four times that


def test_a_channel_that_never_varies_divides_by_one() -> None:
    _, std = channel_stats(torch.full((3, 2, 2, 3), 9, dtype=torch.uint8), torch.arange(3))
    assert std == [1, 1, 1]
