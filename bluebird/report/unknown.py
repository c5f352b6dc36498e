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
    known = judged.said.known
    if known.all() or not known.any():
        return None
    methods = list(METHODS) if learnt is not None else _ALONE
    bank = _NOTHING if learnt is None else Bank(learnt.features, learnt.targets)
    tried: dict[str, tuple[Doubles, Doubles]] = {}
    for name in methods:
        try:
            familiarity = METHODS[name](Evidence(judged.said.logits, judged.said.features), bank)
        except DataError:  # the pictures to compare with are of too few kinds
            continue
        tried[name] = familiarity[known], familiarity[~known]
    figures = {name: (auroc(a, b), false_positives_at_recall(a, b)) for name, (a, b) in tried.items()}
    return OpenSet(int(known.sum()), int((~known).sum()), figures, tried[USED])


_ALONE = ["maximum softmax", "maximum logit", "energy"]  # these compare with no other pictures
_NOTHING = Bank(np.empty((0, 0)), np.full(0, UNKNOWN))
