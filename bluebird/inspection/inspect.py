"""A labelled folder, read once and looked at from all sides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from bluebird.errors import DataError
from bluebird.inspection.copies import Looks, find_copies
from bluebird.inspection.files import find_odd_sizes, find_plain, find_unreadable
from bluebird.inspection.labels import Features, Judge, Judged, judge_labels
from bluebird.inspection.problem import KINDS, Kind, Problem
from bluebird.pixels.cache import Pictures, default_cache_dir, load_pictures
from bluebird.pixels.layout import Listing, read_layout
from bluebird.pixels.likeness import colours, is_plain, unsigned
from bluebird.pixels.quick import dhash
from bluebird.pixels.split import assign_splits

_BATCH = 64
_SHARES = {"val": 0.15, "test": 0.15}


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Args:
        listing: the labelled files.
        rows: the numbers of those that can be read.
        problems: the gravest kind first; within a kind in the order of the listing, label errors by likelihood.
        labels: how the labels were judged.
        judge: by what.
        refusal: why no training could draw its splits from this, or empty.
    """

    listing: Listing
    rows: list[int]
    problems: list[Problem]
    labels: Judged
    judge: Judge
    refusal: str

    def of(self, kind: Kind) -> list[Problem]:
        """The problems of one kind."""
        return [problem for problem in self.problems if problem.kind == kind]

    @property
    def counts(self) -> dict[Kind, int]:
        """How many pictures have each kind of problem, zeros included, the gravest kind first."""
        found = Counter(problem.kind for problem in self.problems)
        return {kind: found[kind] for kind in KINDS}


def inspect(root: Path, image_size: int, judge: Judge) -> Inspection:
    """Look at all pictures of a labelled folder, as squares of `image_size` from the training's cache.

    Raises:
        DataError: it holds no labelled pictures.
        OutputError: the cache cannot be written.
    """
    listing = read_layout(root)
    pictures = load_pictures([sample.path for sample in listing.samples], image_size, default_cache_dir())
    rows = [row for row in range(len(listing.samples)) if row not in pictures.failures]
    digests = [pictures.digests[row] for row in rows]
    looks, features = _seen(pictures, rows, judge.features)
    labels = judge_labels(listing, rows, features)
    problems = [
        *find_unreadable(pictures),
        *find_copies(listing, looks),
        *labels.problems,
        *find_odd_sizes(listing, rows),
        *find_plain(rows, looks.plain.tolist()),
    ]
    graveness = {kind: place for place, kind in enumerate(KINDS)}
    problems.sort(key=lambda problem: (graveness[problem.kind], 0 if problem.kind == "label" else problem.row))
    return Inspection(listing, rows, problems, labels, judge, _refusal(listing, rows, digests))


def _seen(pictures: Pictures, rows: list[int], features: Features) -> tuple[Looks, NDArray[np.float32]]:
    """What copies are known by, and features (N, F)."""
    hashes: list[int] = []
    plain: list[bool] = []
    seen = [] if rows else [(np.zeros((0, 1), np.float32), np.zeros((0, 1), np.float32))]
    with tqdm(total=len(rows), desc="looking", unit=" pictures", disable=None, leave=False) as bar:
        for start in range(0, len(rows), _BATCH):
            squares = _squares(pictures, rows[start : start + _BATCH])
            hashes += dhash(squares)
            plain += is_plain(squares)
            seen.append((colours(squares), features(squares)))
            bar.update(len(squares))
    places, known = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    digests = np.array([pictures.digests[row] for row in rows], str)
    return Looks(np.array(rows, np.int64), digests, unsigned(hashes), places, np.array(plain, bool)), known


def _squares(pictures: Pictures, rows: list[int]) -> Tensor:
    return pictures.pixels[torch.tensor(rows)].permute(0, 3, 1, 2).contiguous()  # (N, 3, S, S)


def _refusal(listing: Listing, rows: list[int], digests: list[str]) -> str:
    """What `bluebird train` would say to these labels, with the shares that it draws by default."""
    try:
        assign_splits([listing.samples[row] for row in rows], digests, _SHARES, seed=0)
    except DataError as error:
        return str(error)
    return ""
