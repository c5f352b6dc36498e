from __future__ import annotations

from itertools import islice

import pytest

from bluebird.search.batch_size import BatchSize


def _told(seconds_of: dict[int, float]) -> BatchSize:
    """After a scan in which a batch of each size took so long."""
    sizes = BatchSize(tries=3)
    for size in islice(sizes, 9):
        sizes.note(size, seconds_of[size])
    return sizes


@pytest.mark.parametrize(
    ("seconds_of", "best"),
    [
        ({16: 1.5, 32: 2.5, 64: 9.0}, 32),  # 0.094, 0.078, 0.141 for a picture
        ({16: 1.0, 32: 3.0, 64: 12.0}, 16),
        ({16: 1.9, 32: 3.0, 64: 4.0}, 64),
        ({16: 2.0, 32: 4.0, 64: 8.0}, 16),  # a smaller one needs less memory
        ({16: 2.0, 32: 4.0, 64: 7.9}, 16),  # and is nearly as quick
    ],
)
def test_the_size_that_takes_least_for_a_picture_is_kept(seconds_of: dict[int, float], best: int) -> None:
    sizes = _told(seconds_of)
    assert sizes.best == best
    assert set(islice(sizes, 20)) == {best}


def test_each_size_is_tried_before() -> None:
    assert list(islice(BatchSize(tries=2), 6)) == [16, 16, 32, 32, 64, 64]


def test_until_enough_is_known_it_is_16() -> None:
    sizes = BatchSize(tries=1)
    assert list(islice(sizes, 5)) == [16, 32, 64, 16, 16]
    for size in (16, 32):
        sizes.note(size, float(size))
    assert next(sizes) == 16
    sizes.note(64, 1.0)
    assert next(sizes) == 64


def test_batches_of_other_sizes_tell_nothing() -> None:
    sizes = _told({16: 1.5, 32: 2.5, 64: 9.0})
    sizes.note(5, 0.0)
    sizes.note(64, 0.0)  # it was tried often enough
    assert sizes.best == 32


def test_a_fixed_size_stays() -> None:
    sizes = BatchSize(7)
    sizes.note(16, 0.0)
    assert list(islice(sizes, 3)) == [7, 7, 7]
    assert sizes.best == 7
