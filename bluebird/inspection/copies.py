"""Copies, told apart by the harm they do: across splits, across classes, or within."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bluebird.inspection.problem import Kind, Problem, name, where
from bluebird.pixels.layout import SPLITS, Listing
from bluebird.pixels.likeness import ALIKE_COLOURS, Pairs, alike

Numbers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Looks:
    """What copies are known by, of N readable pictures; all arrays have N rows.

    Args:
        rows: int64, their numbers in the listing.
        digests: of their contents.
        hashes: their difference hashes.
        colours: as `likeness.colours` gives them.
        plain: which have too few edges for their hash to say anything.
    """

    rows: Numbers
    digests: NDArray[np.str_]
    hashes: NDArray[np.uint64]
    colours: NDArray[np.float32]
    plain: NDArray[np.bool_]

    def in_order(self, order: Numbers) -> Looks:
        """The same pictures in another order."""
        return Looks(
            self.rows[order], self.digests[order], self.hashes[order], self.colours[order], self.plain[order]
        )  # fmt: skip


def find_copies(listing: Listing, looks: Looks) -> list[Problem]:
    """For each picture the nearest that comes before it (train, val, test), for each kind of harm, if there is one.

    Equal bytes are a copy, and so are difference hashes that are alike where colours agree too. The hashes of plain
    pictures (a clear sky, a black frame) are alike whatever they show, so of these only equal bytes count. A split
    that is not given counts as train, from which it would be drawn.
    """
    splits = np.array([SPLITS.index(sample.split or "train") for sample in listing.samples], np.int64)
    labels = np.array([listing.classes.index(sample.label) for sample in listing.samples], np.int64)
    looks = looks.in_order(np.argsort(splits[looks.rows], kind="stable"))
    found: list[Problem] = []
    contents = np.unique(looks.digests, return_inverse=True)[1]
    for later, earlier, bits in alike(looks.hashes):
        same = contents[later] == contents[earlier]
        # first, for of a night's black frames each is paired with each
        possible = same | ~(looks.plain[later] | looks.plain[earlier])
        later, earlier, bits, same = (values[possible] for values in (later, earlier, bits, same))
        kept = same | _are_alike(looks, later, earlier)
        pairs = later[kept], earlier[kept], bits[kept]
        found += _problems(listing, looks, pairs, same[kept], splits, labels)
    return found


def _are_alike(looks: Looks, later: Numbers, earlier: Numbers) -> NDArray[np.bool_]:
    correlation = np.einsum("ij,ij->i", looks.colours[later], looks.colours[earlier])
    certain: NDArray[np.bool_] = correlation >= ALIKE_COLOURS
    return certain


def _problems(
    listing: Listing, looks: Looks, pairs: Pairs, same: NDArray[np.bool_], splits: Numbers, labels: Numbers
) -> Iterator[Problem]:
    later, earlier, bits = pairs
    rows, others = looks.rows[later], looks.rows[earlier]
    other_split, other_label = splits[rows] != splits[others], labels[rows] != labels[others]
    harms: tuple[tuple[Kind, NDArray[np.bool_]], ...] = (
        ("copy across splits", other_split),
        ("copy across classes", other_label),
        ("copy", ~other_split & ~other_label),
    )
    for kind, harmed in harms:
        for pair in _nearest(later, earlier, np.where(same, -1, bits), harmed):
            row, other, same_bytes = int(rows[pair]), int(others[pair]), bool(same[pair])
            detail = _detail(listing, other, same_bytes, int(bits[pair]))
            yield Problem(row, kind, detail, other, same_bytes=same_bytes)


def _nearest(later: Numbers, earlier: Numbers, distance: Numbers, chosen: NDArray[np.bool_]) -> Numbers:
    """Of the chosen pairs, for each later picture, the number of the one with the least distance, then the earliest."""
    pairs = np.flatnonzero(chosen)
    pairs = pairs[np.lexsort((earlier[pairs], distance[pairs], later[pairs]))]
    return pairs[np.unique(later[pairs], return_index=True)[1]]


def _detail(listing: Listing, other: int, same: bool, bits: int) -> str:
    how = "the same bytes as" if same else f"{bits} of 64 bits unlike"
    return f"{how} {name(listing, other)} ({where(listing, other)})"
