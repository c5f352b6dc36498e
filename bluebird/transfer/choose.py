"""Which recipe fits the data: how much can be learnt from so many pictures of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, get_args

Recipe = Literal["scratch", "few_shot", "probe", "fine_tune"]
RECIPES: tuple[Recipe, ...] = get_args(Recipe)

_FEW, _SOME = 2, 30


@dataclass(frozen=True)
class Choice:
    """A recipe, and in a sentence why this one."""

    recipe: Recipe
    reason: str


def choose_recipe(class_counts: Sequence[int], has_weights: bool, by_covariance: bool = False) -> Choice:
    """The recipe for K classes with so many training pictures each.

    Without weights there is nothing to transfer. With up to 2 pictures of a class (in the middle of all classes) their
    mean tells more than a fit, unless features are pooled by covariance; with up to 30 a fit of the head alone; with
    more, all layers can learn.

    Source: measured, see docs/transfer.md; of the second limit only that 15 pictures lie below it.
    """
    if not has_weights:
        return Choice("scratch", "there are no weights to start from")
    middle = median(class_counts)
    known = f"the middle class has {middle:g} picture{'' if middle == 1 else 's'} to learn from"
    if middle <= _FEW and not by_covariance:
        return Choice("few_shot", f"{known}: too few to fit anything to")
    if middle <= _SOME:
        return Choice("probe", f"{known}: enough for the last layer, too few for all")
    return Choice("fine_tune", f"{known}: enough for all layers")
