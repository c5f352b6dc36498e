from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluebird.errors import DataError
from bluebird.pixels.layout import Sample
from bluebird.pixels.split import assign_splits, count_leaks

SHARES = {"val": 0.15, "test": 0.15}


def _samples(counts: dict[str, int], split: str | None = None) -> tuple[list[Sample], list[str]]:
    samples = [Sample(Path(f"{label}/{n}"), label, split) for label, count in counts.items() for n in range(count)]
    return samples, [str(sample.path) for sample in samples]


def test_every_class_is_split_in_the_same_shares() -> None:
    samples, digests = _samples({"jay": 100, "wren": 40})
    splits = assign_splits(samples, digests, SHARES, seed=0)
    counts = Counter((sample.label, split) for sample, split in zip(samples, splits, strict=True))
    assert [counts["jay", name] for name in ("train", "val", "test")] == [70, 15, 15]
    assert [counts["wren", name] for name in ("train", "val", "test")] == [28, 6, 6]


def test_the_seed_alone_decides() -> None:
    samples, digests = _samples({"jay": 50, "wren": 50})
    assert assign_splits(samples, digests, SHARES, 3) == assign_splits(samples, digests, SHARES, 3)
    assert assign_splits(samples, digests, SHARES, 3) != assign_splits(samples, digests, SHARES, 4)


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), min_size=40, max_size=80), st.integers(0, 9))
def test_identical_files_never_part(contents: list[int], seed: int) -> None:
    samples = [Sample(Path(str(n)), f"class {content % 2}") for n, content in enumerate(contents)]
    digests = [str(content) for content in contents]
    try:
        splits = assign_splits(samples, digests, SHARES, seed)
    except DataError:
        assert min(len({c for c in contents if c % 2 == parity}) for parity in (0, 1)) < 3
        return
    assert all(len({s for s, d in zip(splits, digests, strict=True) if d == digest}) == 1 for digest in digests)
    assert {(s.label, split) for s, split in zip(samples, splits, strict=True)} == {
        (label, split) for label in {s.label for s in samples} for split in ("train", "val", "test")
    }


def test_a_split_that_the_layout_gives_is_kept() -> None:
    train, train_digests = _samples({"jay": 20, "wren": 20}, "train")
    test, test_digests = _samples({"jay": 5, "wren": 5}, "test")
    splits = assign_splits(train + test, train_digests + [f"t{d}" for d in test_digests], SHARES, 0)
    assert splits[40:] == ["test"] * 10
    assert Counter(splits[:40]) == {"train": 34, "val": 6}


def test_a_class_with_one_picture_is_refused_by_name() -> None:
    samples, digests = _samples({"jay": 20, "wren": 1})
    with pytest.raises(DataError, match=r"'wren' has 1 different picture"):
        assign_splits(samples, digests, SHARES, 0)


def test_copies_across_given_splits_are_counted() -> None:
    assert count_leaks(["a", "b", "a", "c", "b"], ["train", "train", "val", "test", "test"]) == 2
