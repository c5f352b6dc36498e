"""Pictures of one moment: near-duplicates and bursts are brought together under the best of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from bluebird.pixels.likeness import ALIKE_BITS, unsigned

BURST_SECONDS, BURST_BITS = 2.0, 20
"""Pictures of one folder that were taken within this time and look this much alike are one moment."""

_ALONE = -1


@dataclass(frozen=True, slots=True)
class Look:
    """What tells one moment from another: `dhash` of 64 bits, signed or not; `taken` in ISO format, or empty."""

    name: str
    dhash: int
    taken: str = ""


def leaders(looks: Iterable[Look]) -> list[int]:
    """For each picture, best first, the number of the one that leads it; its own where it leads.

    Only leaders are compared with, so that a chain of small steps does not tie up a whole day; and each with all
    that come behind it, so that nights and stopped clocks, where all is much alike, take no longer than the rest.

    Source: difference hash after Krawetz 2013 ("Kind of Like That").
    """
    looks = list(looks)
    hashes = unsigned([look.dhash for look in looks])
    moments = np.array([_seconds(look.taken) for look in looks])
    numbers: dict[str, int] = {}
    folders = np.array([numbers.setdefault(look.name.rpartition("/")[0], len(numbers)) for look in looks])
    found = np.full(len(looks), _ALONE)
    for leader in range(len(looks)):
        if found[leader] != _ALONE:
            continue
        bits = np.bitwise_count(hashes[leader:] ^ hashes[leader])
        near = leader + np.flatnonzero(bits <= BURST_BITS)
        burst = (folders[near] == folders[leader]) & (np.abs(moments[near] - moments[leader]) <= BURST_SECONDS)
        siblings = near[burst | (bits[near - leader] <= ALIKE_BITS)]
        found[siblings[found[siblings] == _ALONE]] = leader
    return [int(leader) for leader in found]


def _seconds(taken: str) -> float:
    """By the camera's own clock, whatever its zone; not a number where it does not say."""
    with suppress(ValueError):
        return (datetime.fromisoformat(taken).replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()
    return math.nan
