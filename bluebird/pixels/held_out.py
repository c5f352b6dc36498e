"""Labelled pictures that a model did not learn from, to judge it by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from bluebird.errors import DataError, UnreadablePictureError
from bluebird.pixels.cache import default_cache_dir, load_pictures
from bluebird.pixels.layout import Listing, read_layout
from bluebird.pixels.split import assign_splits, fingerprint


@dataclass(frozen=True)
class Labelled:
    """The N readable pictures of a folder, by their numbers: paths and labels (N,).

    `pixels` uint8 (M, S, S, 3) are mapped from disk, with those of unreadable files among them; `rows` (N,) says where
    each picture lies there. `judging` are the numbers of those to judge by, and `split` says which they are: "test",
    or "all". `learnt` are the numbers of those that the model learnt from, as far as they are there. `is_own` says
    whether this is the very data that it was trained on.
    """

    pixels: Tensor
    rows: list[int]
    paths: list[Path]
    labels: list[str]
    judging: list[int]
    learnt: list[int]
    split: str
    is_own: bool
    failures: list[UnreadablePictureError]

    def pictures(self, numbers: Sequence[int]) -> Tensor:
        """uint8 (n, 3, S, S) of some of the pictures."""
        return self.pixels[[self.rows[number] for number in numbers]].permute(0, 3, 1, 2)


def read_labelled(root: Path, image_size: int, trained_on: str, shares: Mapping[str, float], seed: int) -> Labelled:
    """Read a folder in any layout; what to judge by is its test split, where it has one or the model left it out.

    Args:
        root: as `read_layout` takes it.
        image_size: side S in px.
        trained_on: the fingerprint of the model's training data.
        shares: the shares by which that training drew its splits.
        seed: by which it did.

    Raises:
        DataError: the folder holds no labelled pictures, or none that can be read.
        OutputError: the cache cannot be written.
    """
    listing = read_layout(root)
    pictures = load_pictures([sample.path for sample in listing.samples], image_size, default_cache_dir())
    rows = [row for row in range(len(listing.samples)) if row not in pictures.failures]
    failures = [UnreadablePictureError(listing.samples[row].path, why) for row, why in pictures.failures.items()]
    if not rows:
        raise DataError(f"{str(root)!r}: none of the {len(failures)} files can be read; the first: {failures[0]}")
    samples = [listing.samples[row] for row in rows]
    labels = [sample.label for sample in samples]
    splits, is_own = _splits(listing, rows, [pictures.digests[row] for row in rows], trained_on, shares, seed)
    chosen = [number for number, split in enumerate(splits) if split == "test"]
    learnt = [number for number, split in enumerate(splits) if split == "train"]
    return Labelled(
        pictures.pixels,
        rows,
        [sample.path for sample in samples],
        labels,
        chosen or list(range(len(rows))),
        learnt,
        "test" if chosen else "all",
        is_own,
        failures,
    )


def _splits(
    listing: Listing, rows: list[int], digests: list[str], trained_on: str, shares: Mapping[str, float], seed: int
) -> tuple[list[str], bool]:
    """The splits as they were at training, where this is that data, else those of the layout; and whether it is."""
    samples = [listing.samples[row] for row in rows]
    given = [sample.split or "" for sample in samples]
    try:
        drawn = assign_splits(samples, digests, shares, seed)
    except DataError:  # too few of a class to draw from: then nobody trained on it
        return given, False
    is_own = fingerprint([sample.label for sample in samples], digests, drawn) == trained_on
    return (drawn if is_own else given), is_own
