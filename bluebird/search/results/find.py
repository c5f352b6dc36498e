"""What a ranked search hands over to whoever writes it down."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bluebird.search.names import printable


@dataclass(frozen=True, slots=True)
class Find:
    """One picture that was scored, in its place in the ranking.

    Args:
        rank: 1 is the best; siblings share the rank of the one that leads them.
        name: as in `Found.name`; bytes that are no UTF-8 stand in it as surrogates.
        score: probability of the target, 0 to 1.
        novelty: 0, like the training pictures, to 1, unlike anything the model was trained on.
        probs: K probabilities in the order of the classes; plain, finite floats like the two above.
        width, height: px, upright.
        taken: when, by its EXIF data, in ISO format; empty where it does not say.
        leader: name of the find that it is a near-duplicate or burst sibling of; empty where it leads.
    """

    rank: int
    name: str
    score: float
    novelty: float
    probs: Sequence[float]
    width: int
    height: int
    taken: str = ""
    leader: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """One file without a score: `status` is "failed" or "skipped", `reason` says why."""

    name: str
    reason: str
    status: str


@dataclass(frozen=True)
class Results:
    """One search, to be gone through as often as there are files to write.

    Args:
        root: where the names start from.
        target: the classes that were looked for.
        classes: K class names, in the order of the probabilities.
        model: its fingerprint.
        scored, failed, skipped: how many files of each kind there are.
        finds: gives a fresh iterator over all scored pictures, best first, siblings right behind their leader.
        failures: gives a fresh iterator over all others.
    """

    root: str
    target: tuple[str, ...]
    classes: tuple[str, ...]
    model: str
    scored: int
    failed: int
    skipped: int
    finds: Callable[[], Iterator[Find]]
    failures: Callable[[], Iterator[Failure]]

    @property
    def wanted(self) -> str:
        """The target in words: "bluebird" or "bluebird or blue jay"."""
        return printable(" or ".join(self.target))


def best_classes(probs: Sequence[float], count: int) -> list[int]:
    """Indices of the `count` greatest probabilities, greatest first; equal ones in the order of the classes."""
    return heapq.nlargest(count, range(len(probs)), key=probs.__getitem__)
