"""What a model card is made from: the facts of a training, the figures that follow, and what limits them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import binomtest

from bluebird.bundle import Bundle, Validation
from bluebird.errors import DataError
from bluebird.quality.calibration import expected_calibration_error, reliability
from bluebird.quality.ranking import ranking
from bluebird.quality.thresholds import for_recall
from bluebird.report.mistakes import confusion
from bluebird.report.search import FEW, Figure, SearchQuality, search_quality

Doubles: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

FEW_TRAINED, FEW_JUDGED = 50, 30
"""Numbers of pictures of a class below which a card warns."""
_RECALL, _RARE = 0.95, 0.001
_NAMED = 10


@dataclass(frozen=True)
class TrainingData:
    """The pictures of a training: the folder's `name`, and for each split how many of each class there were, (K,).

    `drawn` names the splits that were drawn from the training pictures, since the data had none of their own; `leaks`
    counts pictures of val and test with an identical copy in train, `unreadable` files that were left out.
    """

    name: str
    counts: Mapping[str, Sequence[int]]
    drawn: Sequence[str] = ()
    leaks: int = 0
    unreadable: int = 0


@dataclass(frozen=True)
class Made:
    """How a network came about: `sentences` on what else than an optimiser had a part in it, as the fit of a last
    layer; whether an optimiser took steps at all; and the splits whose pictures it had learnt from in the end."""

    sentences: Sequence[str] = ()
    by_steps: bool = True
    learnt: Sequence[str] = ("train",)


@dataclass(frozen=True)
class Training:
    """What there is to say of a training that has ended.

    `config` is nested as `config.yaml` holds it, `command` the words that were typed, `target` the classes that are
    looked for, none where none is meant. `tested` is what `model`, which brings its validation, said of the test
    split; without it, what asks for single answers is told from the val split.
    """

    name: str
    model: Bundle
    data: TrainingData
    target: Sequence[str]
    config: Mapping[str, Any]
    command: Sequence[str]
    versions: Mapping[str, str]
    tested: Validation | None = None
    made: Made = Made()

    @property
    def split(self) -> str:
        """Which pictures the single answers are of."""
        return "val" if self.tested is None else "test"

    @cached_property
    def answers(self) -> tuple[Doubles, Integers]:
        """Calibrated probabilities (N, K), and targets (N,).

        Raises:
            DataError: the model brings no validation, and was not tested either.
        """
        said = self.tested or self.model.validation
        if said is None:
            raise DataError("a model card needs answers to held-out pictures: train to the end, or give the test's")
        logits: Doubles = said.logits.double().numpy()
        return softmax(logits / self.model.temperature, axis=1), said.targets.numpy()

    @cached_property
    def confusion(self) -> Integers:
        """Counts (K, K) of the pictures of a class, a row, taken for a class, a column."""
        probs, targets = self.answers
        return confusion(targets, probs)

    @cached_property
    def search(self) -> SearchQuality | None:
        """What a search for the target is worth; None where none is meant, or none of its pictures is there."""
        scores, relevant = self._scores()
        return search_quality(scores, relevant) if relevant.any() else None

    def accuracy(self) -> tuple[int, int, str]:
        """Hits, pictures and their split: the test's, also where only its accuracy is known."""
        pictures = sum(self.data.counts["test"])
        if self.tested is None and "test/accuracy" in self.model.metrics:
            return round(self.model.metrics["test/accuracy"] * pictures), pictures, "test"
        return int(self.confusion.trace()), int(self.confusion.sum()), self.split

    def calibration_error(self) -> float:
        """The expected calibration error of the top class, in 15 bins."""
        probs, targets = self.answers
        return expected_calibration_error(reliability(probs.max(1), probs.argmax(1) == targets))

    def rare_precision(self) -> tuple[float, float, int]:
        """(recall, share of the others accepted, others) at the score that accepts 95 % of the target's pictures."""
        scores, relevant = self._scores()
        accepted = scores >= for_recall(ranking(scores, relevant), _RECALL)
        return float(accepted[relevant].mean()), float(accepted[~relevant].mean()), int((~relevant).sum())

    def _scores(self) -> tuple[Doubles, NDArray[np.bool_]]:
        probs, targets = self.answers
        columns = [self.model.classes.index(name) for name in self.target]
        return probs[:, columns].sum(1).clip(0, 1), np.isin(targets, columns)


def wilson(hits: int, pictures: int) -> Figure:
    """The share of hits, with its 95 % interval; NaN, from 0 to 1, of no picture.

    Source: Wilson 1927 (J. American Statistical Association 22).
    """
    if not pictures:
        return Figure(float("nan"), 0.0, 1.0)
    interval = binomtest(hits, pictures).proportion_ci(0.95, method="wilson")
    return Figure(hits / pictures, float(interval.low), float(interval.high))


def limits(training: Training) -> Iterator[str]:
    """What makes the figures less than they seem, said from the data; in plain text."""
    data = training.data
    yield (
        f"It knows {len(training.model.classes)} classes and gives every picture to one of them: also a picture of "
        "anything else, which no figure here speaks of."
    )
    yield from _source(data)
    yield from _few(training)
    if training.search is not None:
        yield from _rare(training, training.search)
    yield "Intervals tell the chance in the draw of pictures, not of other cameras, places, seasons or trainings."


def _source(data: TrainingData) -> Iterator[str]:
    if data.drawn:
        yield (
            f"The data had no {' and no '.join(data.drawn)} split: drawn by lot from the pictures to train on, one "
            "bird, burst or camera may be on both sides. Expect less of pictures from another source."
        )
    if data.leaks:
        yield f"{data.leaks:,} pictures of val and test have an identical copy in train, which makes figures too good."
    if data.unreadable:
        yield f"{data.unreadable:,} files could not be read, and were left out of training and figures."


def _few(training: Training) -> Iterator[str]:
    classes = training.model.classes
    for splits, least, what in (
        (training.made.learnt, FEW_TRAINED, "learnt from"),
        (("test",), FEW_JUDGED, "tested on"),
    ):
        counts = [sum(of) for of in zip(*(training.data.counts[split] for split in splits), strict=True)]
        few = [f"{name} ({count})" for name, count in zip(classes, counts, strict=True) if count < least]
        if few:
            more = f" and {len(few) - _NAMED} more" if len(few) > _NAMED else ""
            yield f"Fewer than {least} pictures were {what} of: {', '.join(few[:_NAMED])}{more}."


def _rare(training: Training, search: SearchQuality) -> Iterator[str]:
    relevant, pictures = int(search.curve.found[-1]), int(search.curve.looked[-1])
    wanted = " or ".join(training.target)
    if (1 - _RECALL) * relevant < FEW:
        yield f"With {relevant:,} pictures of {wanted} the interval of the looks for 95 % ends too low."
    if relevant == pictures:
        return
    recall, alarms, others = training.rare_precision()
    worst = alarms or min(1.0, 3 / others)  # the rule of three: none of so many leaves up to that share, at 95 %
    precision = _RARE * recall / (_RARE * recall + (1 - _RARE) * worst)
    yield (
        f"{wanted} was on {relevant / pictures:.1%} of the pictures judged by. Where it is on 1 of 1,000, the score "
        f"that finds {recall:.0%} of it also accepts {worst:.2%} of all else{'' if alarms else ' at most'}, and "
        f"{precision:.1%}{'' if alarms else ' or more'} of what it accepts is right."
    )
