"""The ledger's pictures, best first, those of one moment together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import numpy.typing as npt

from bluebird.pixels.quick import upright_sides
from bluebird.search.ledger import Ledger
from bluebird.search.names import original
from bluebird.search.results import Failure, Find, Results
from bluebird.search.scores import places_by_path
from bluebird.search.siblings import Look, leaders

GROUPED = 20_000
"""How many of the best pictures are brought together by likeness; behind them each stands alone."""

_FETCHED = 500

_Place = tuple[int, int, float, int]
"""Id of a picture, its rank, its score and the id of its leader; 0 where it leads."""


def rank(ledger: Ledger, target: Sequence[str]) -> Results:
    """The finds for `target`, one class or several whose probabilities add up; equal scores stand in order of paths."""
    order = _order(ledger, target)
    counts = ledger.counts()
    return Results(
        root=ledger.root,
        target=tuple(target),
        classes=ledger.classes,
        model=ledger.model,
        scored=counts.scored,
        failed=counts.failed,
        skipped=counts.skipped,
        finds=lambda: _finds(ledger, order),
        failures=lambda: (Failure(name, reason, status) for name, reason, status in ledger.unscored()),
    )


@dataclass(frozen=True, slots=True)
class _Order:
    """Ids and scores, best first; and of the first ones, for each the number of its leader."""

    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    leaders: list[int]

    def places(self) -> Iterator[_Place]:
        """All pictures, siblings right behind their leader, whose rank they share."""
        families: dict[int, list[int]] = defaultdict(list)
        for number, leader in enumerate(self.leaders):
            families[leader].append(number)
        alone = ([number] for number in range(len(self.leaders), len(self.ids)))
        for place, family in enumerate(chain(families.values(), alone), 1):
            for number in family:
                leader = 0 if number == family[0] else int(self.ids[family[0]])
                yield int(self.ids[number]), place, float(self.scores[number]), leader


def _order(ledger: Ledger, target: Sequence[str]) -> _Order:
    ids, scores, gone = ledger.aim(target)
    ids, scores = ids[~gone], scores[~gone]
    best = np.lexsort((places_by_path(ledger.db)[ids], -scores))
    looks = _fetch(ledger, ids[best[:GROUPED]].tolist(), "path, dhash, taken")
    return _Order(ids[best], scores[best], leaders(Look(original(p), d, t) for p, d, t in looks))


def _finds(ledger: Ledger, order: _Order) -> Iterator[Find]:
    places = order.places()
    while chunk := list(islice(places, _FETCHED)):
        names = _leader_names(ledger, chunk)
        rows = _fetch(ledger, [place[0] for place in chunk], "path, width, height, orientation, taken, probs, novelty")
        for (_, number, score, leader), row in zip(chunk, rows, strict=True):
            path, width, height, orientation, taken, probs, novelty = row
            sides = upright_sides(width, height, orientation)
            shares = np.frombuffer(probs, "<f4").tolist()
            yield Find(number, original(path), score, novelty, shares, *sides, taken, names.get(leader, ""))


def _leader_names(ledger: Ledger, chunk: Sequence[_Place]) -> dict[int, str]:
    ids = sorted({leader for _, _, _, leader in chunk if leader})
    return {id_: original(path) for id_, (path,) in zip(ids, _fetch(ledger, ids, "path"), strict=True)}


def _fetch(ledger: Ledger, ids: Sequence[int], columns: str) -> Iterator[tuple]:  # type: ignore[type-arg]
    """Some columns of the pictures with these ids, in their order."""
    for start in range(0, len(ids), _FETCHED):
        part = ids[start : start + _FETCHED]
        marks = ", ".join("?" * len(part))
        query = f"SELECT id, {columns} FROM pictures WHERE id IN ({marks})"
        found = {id_: row for id_, *row in ledger.select(query, *part)}
        yield from (tuple(found[id_]) for id_ in part)
