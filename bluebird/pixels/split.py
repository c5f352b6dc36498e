"""Who trains, who validates, who tests: drawn by seed, class by class, and without a leak."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from bluebird.errors import DataError
from bluebird.pixels.layout import Sample


def assign_splits(
    samples: Sequence[Sample], digests: Sequence[str], shares: Mapping[str, float], seed: int
) -> list[str]:
    """Name a split for every sample.

    A split that the layout gives is kept. A split that it lacks is drawn from the samples that are
    free (no split given, or given as train), from every class alike, as its share of them.

    Args:
        samples: N labelled files.
        digests: N content digests; files of equal content never part.
        shares: the wanted share of each split to draw, e.g. ``{"val": 0.15, "test": 0.15}``.
        seed: the same seed and samples give the same splits.

    Returns:
        N names out of train, val, test.

    Raises:
        DataError: a class has too few different pictures to have one in every split.
    """
    splits = [sample.split or "train" for sample in samples]
    missing = {name: share for name, share in shares.items() if name not in splits}
    rng = random.Random(seed)
    for label, groups in _groups_by_class(samples, digests, splits).items():
        if len(groups) <= len(missing):
            raise DataError(
                f"class {label!r} has {len(groups)} different picture(s) to train on; at least "
                f"{len(missing) + 1} are needed, one for each of {', '.join(['train', *missing])}"
            )
        rng.shuffle(groups)
        _deal(groups, missing, splits)
    return splits


def count_leaks(digests: Sequence[str], splits: Sequence[str]) -> int:
    """How many pictures of val and test have a copy, equal byte by byte, in train."""
    trained = {digest for digest, split in zip(digests, splits, strict=True) if split == "train"}
    return sum(d in trained for d, split in zip(digests, splits, strict=True) if split != "train")


def fingerprint(labels: Sequence[str], digests: Sequence[str], splits: Sequence[str]) -> str:
    """One digest of what the training split holds, whatever its folder is called."""
    rows = sorted(f"{d} {name}" for d, name, split in zip(digests, labels, splits, strict=True) if split == "train")
    return hashlib.blake2b("\n".join(rows).encode(), digest_size=16).hexdigest()


def _groups_by_class(
    samples: Sequence[Sample], digests: Sequence[str], splits: Sequence[str]
) -> dict[str, list[list[int]]]:
    """Free samples as groups of equal content; a group counts for the class of its first member."""
    copies: dict[str, list[int]] = defaultdict(list)
    for index, split in enumerate(splits):
        if split == "train":
            copies[digests[index]].append(index)
    groups: dict[str, list[list[int]]] = defaultdict(list)
    for members in copies.values():
        groups[samples[members[0]].label].append(members)
    return groups


def _deal(groups: list[list[int]], missing: Mapping[str, float], splits: list[str]) -> None:
    """Give each missing split its share of one class: at least one group, and leave one to train."""
    total = sum(len(members) for members in groups)
    left = len(groups)
    for owed, (name, share) in enumerate(missing.items()):
        reserve = len(missing) - owed  # train's one group, and one for each split still to come
        wanted, given = max(1, round(share * total)), 0
        while given < wanted and left > reserve:
            left -= 1
            given += len(groups[left])
            for index in groups[left]:
                splits[index] = name
