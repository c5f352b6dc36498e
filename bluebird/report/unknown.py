"""How well pictures of species that the model never saw are told from those of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bluebird.errors import DataError
from bluebird.quality.openset import METHODS, Bank, Evidence, auroc, false_positives_at_recall
from bluebird.report.judged import UNKNOWN, Judged, Said

Doubles: TypeAlias = NDArray[np.float64]

USED = "maximum logit"
"""The method by which a search says how novel a picture looks."""


@dataclass(frozen=True)
class OpenSet:
    """For each method its AUROC, and the share of unknown pictures that pass where 95 % of the known ones do."""

    known: int
    unknown: int
    figures: dict[str, tuple[float, float]]
    familiarity: tuple[Doubles, Doubles]
    """By the method in use, of the known pictures and of the unknown ones."""


def open_set(judged: Judged, learnt: Said | None) -> OpenSet | None:
    """Every method that can be tried; None where there are no pictures of unknown species, or none of known ones.

    `learnt` is what the model says of the pictures it was trained on, which some methods compare with.
    """
    known, unknown = (judged.said.of(judged.said.known == flag) for flag in (True, False))
    if not len(known.targets) or not len(unknown.targets):
        return None
    methods = list(METHODS) if learnt is not None else _ALONE
    bank = _NOTHING if learnt is None else Bank(learnt.features, learnt.targets)
    tried: dict[str, tuple[Doubles, Doubles]] = {}
    for name in methods:
        try:
            tried[name] = _familiarity(name, known, bank), _familiarity(name, unknown, bank)
        except DataError:  # the pictures to compare with are of too few kinds
            continue
    figures = {name: (auroc(a, b), false_positives_at_recall(a, b)) for name, (a, b) in tried.items()}
    return OpenSet(len(known.targets), len(unknown.targets), figures, tried[USED])


def _familiarity(name: str, said: Said, bank: Bank) -> Doubles:
    return METHODS[name](Evidence(said.logits, said.features), bank)


_ALONE = ["maximum softmax", "maximum logit", "energy"]  # these compare with no other pictures
_NOTHING = Bank(np.empty((0, 0)), np.full(0, UNKNOWN))
