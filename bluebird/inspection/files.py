"""Files that are no use to a training, or little: unreadable, tiny, long and narrow, plain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from bluebird.inspection.problem import Problem
from bluebird.pixels.cache import Pictures
from bluebird.pixels.layout import Listing

TINY_PX = 32
"""A picture with a shorter side has been enlarged before any network sees it: its plumage is not there to be learnt.

Half the side of 64 px that trainings use by default.
"""

NARROW = 4.0
"""Sides in a greater ratio are squeezed until a bird is no longer one: a banner, a panorama, a strip of film."""


def find_unreadable(pictures: Pictures) -> Iterator[Problem]:
    """Those that could not be decoded, with the reason."""
    for row, reason in pictures.failures.items():
        yield Problem(row, "unreadable", reason)


def find_odd_sizes(listing: Listing, rows: Sequence[int]) -> Iterator[Problem]:
    """Of the readable rows those that are tiny or of extreme proportions; reads no more than the files' headers."""
    for row in tqdm(rows, desc="measuring", unit=" pictures", disable=None, leave=False):
        sides = stored_sides(listing.samples[row].path)
        if sides is None:
            continue
        size = f"{sides[0]} x {sides[1]} px"
        if min(sides) < TINY_PX:
            yield Problem(row, "tiny", f"{size}; under {TINY_PX} px on a side")
        if max(sides) > NARROW * min(sides):
            yield Problem(row, "odd shape", f"{size}; more than {NARROW:g} times as long as wide")


def find_plain(rows: Sequence[int], plain: Sequence[bool]) -> Iterator[Problem]:
    """Of the readable rows those in which hardly an edge is seen."""
    for row, is_plain in zip(rows, plain, strict=True):
        if is_plain:
            yield Problem(row, "plain", "hardly an edge in it; too plain to look for near copies of it")


def stored_sides(path: Path) -> tuple[int, int] | None:
    """Width and height as the header says; None for the few kinds that Pillow cannot read, and whatever is gone."""
    try:
        with Image.open(path) as image:
            return image.size
    except Exception:  # it was decoded a moment ago, so this concerns the header alone, and no fault is hidden
        return None
