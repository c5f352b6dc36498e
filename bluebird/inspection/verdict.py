"""What to mend before anyone trains, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator

from bluebird.inspection.classes import UNEVEN, class_counts, ratio
from bluebird.inspection.inspect import Inspection
from bluebird.inspection.problem import KINDS, Kind, printable

_ADVICE: dict[Kind, str] = {
    "unreadable": "to be replaced or removed",
    "copy across splits": "test figures become too good; to be removed from one of the two",
    "copy across classes": "one of the two labels is wrong; to be mended, or both removed",
    "label": "to be looked at, the first ones first",
    "tiny": "to be replaced by something larger, or removed",
    "odd shape": "to be cropped to the part with the bird",
}
_HARMLESS: dict[Kind, str] = {"copy": "counted double, no other harm", "plain": "look whether there is a bird at all"}
_NAMED = 5


def steps(inspection: Inspection) -> list[str]:
    """What to mend, the gravest first, each with its number; empty where nothing stands in the way."""
    return [*_refused(inspection), *_counted(inspection), *_parted(inspection)]


def remarks(inspection: Inspection) -> list[str]:
    """What is good to know and need not be mended."""
    return [
        *(printable(note) for note in inspection.listing.notes),
        *_uneven(inspection),
        *_harmless(inspection),
        *_unjudged(inspection),
    ]


def answer(inspection: Inspection) -> str:
    """The verdict in one sentence."""
    count = len(steps(inspection))
    if not count:
        return "Nothing stands in the way of a training."
    return "One thing is to be mended first." if count == 1 else f"{count} things are to be mended first."


def _refused(inspection: Inspection) -> Iterator[str]:
    if not inspection.rows:
        yield "Not one of the files can be read."
    elif inspection.refusal:
        yield f"A training would refuse this: {printable(inspection.refusal)}."


def _counted(inspection: Inspection) -> Iterator[str]:
    for kind, advice in _ADVICE.items():
        count = inspection.counts[kind]
        if count and (kind != "label" or inspection.labels.is_trusted):
            yield f"{pictures(count)} {said(kind, count)}: {advice}."


def _parted(inspection: Inspection) -> Iterator[str]:
    """Splits that are still to be drawn keep equal bytes together, but no more than that."""
    near, drawn = _near(inspection), _drawn(inspection)
    if near:
        yield (
            f"{pictures(near)} {said('copy', near)}, scaled or compressed anew: {' and '.join(drawn)} will be drawn by "
            "lot, which parts such copies, and figures become too good; to be removed."
        )


def _drawn(inspection: Inspection) -> list[str]:
    given = {sample.split for sample in inspection.listing.samples}
    return [split for split in ("val", "test") if split not in given]


def _near(inspection: Inspection) -> int:
    """How many copies of their own class may yet be parted from what they are copies of."""
    return sum(not problem.same_bytes for problem in inspection.of("copy")) if _drawn(inspection) else 0


def _uneven(inspection: Inspection) -> Iterator[str]:
    if ratio(class_counts(inspection.listing)) >= UNEVEN:
        yield "The classes are very uneven: judge a model by its figures for each class, not by its accuracy over all."


def _harmless(inspection: Inspection) -> Iterator[str]:
    counts = {"copy": inspection.counts["copy"] - _near(inspection), "plain": inspection.counts["plain"]}
    for kind, advice in _HARMLESS.items():
        if counts[kind]:
            yield f"{pictures(counts[kind])} {said(kind, counts[kind])}: {advice}."


def _unjudged(inspection: Inspection) -> Iterator[str]:
    labels = inspection.labels
    if labels.missing:
        yield f"Labels were not judged: {labels.missing}."
    elif not labels.is_trusted:
        yield (
            f"Labels could hardly be judged: {printable(inspection.judge.name)} agree with only "
            f"{labels.agreement:.0%} of them. A trained network knows more: give one by --model."
        )
    if labels.left_out:
        names = ", ".join(printable(name) for name in labels.left_out[:_NAMED])
        more = f" and {len(labels.left_out) - _NAMED:,} more" if len(labels.left_out) > _NAMED else ""
        yield f"The labels of classes with too few pictures were not judged: {names}{more}."


def pictures(count: int) -> str:
    """A number of pictures, as one says it."""
    return "1 picture" if count == 1 else f"{count:,} pictures"


def said(kind: Kind, count: int) -> str:
    """How a kind of problem is said of a number of pictures."""
    text = KINDS[kind]
    if count != 1:
        return text
    verb, _, rest = text.partition(" ")
    return f"{ {'are': 'is', 'show': 'shows'}.get(verb, verb) } {rest}"
