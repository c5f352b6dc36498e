"""How many pictures there are of each class, as figures and as bars."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from bluebird.inspection.problem import printable
from bluebird.pages import Picture, Table, drawn
from bluebird.pixels.layout import SPLITS, Listing
from bluebird.watch.plot import BLUE, GREY, RUST, plot

UNEVEN = 10.0
"""From this ratio on, whoever always says the frequent class looks good by plain accuracy."""

FREE = "not split"
_STYLES = {"train": (BLUE, ""), "val": (GREY, "///"), "test": (RUST, "..."), FREE: (BLUE, "")}
_BARS = 40  # in one figure, so that its names can be read
_NAME = 28  # letters of a name beside its bar; the table has it whole

Counts = dict[str, dict[str, int]]
"""Of each class, the most frequent first, the number of pictures in each split."""


def class_counts(listing: Listing) -> Counts:
    """Pictures, unreadable ones too, by class and split."""
    splits = Counter((sample.label, sample.split or FREE) for sample in listing.samples)
    named = [split for split in (*SPLITS, FREE) if any(split == found for _, found in splits)]
    counts = {label: {split: splits[label, split] for split in named} for label in listing.classes}
    return dict(sorted(counts.items(), key=lambda item: -sum(item[1].values())))


def ratio(counts: Counts) -> float:
    """How many times as many pictures the most frequent class has as the rarest."""
    totals = [sum(by_split.values()) for by_split in counts.values()]
    return max(totals) / min(totals)


def evenness(counts: Counts) -> str:
    """One sentence on the most frequent class and the rarest."""
    totals = {label: sum(by_split.values()) for label, by_split in counts.items()}
    most, least = max(totals, key=totals.__getitem__), min(totals, key=totals.__getitem__)
    if totals[most] == totals[least]:
        return f"Every class has {totals[most]:,} pictures."
    return (
        f"The most frequent class, {printable(most)}, has {totals[most]:,} pictures, {ratio(counts):.3g} times as many "
        f"as the rarest, {printable(least)} ({totals[least]:,})."
    )


def table(counts: Counts) -> Table:
    """A row for each class and a column for each split; with more than one split, their sum."""
    splits = list(next(iter(counts.values())))
    sums = len(splits) > 1
    head = ["class", *(["pictures"] if splits == [FREE] else splits), *(["together"] if sums else [])]
    rows = [
        [printable(label), *(f"{n:,}" for n in by_split.values()), *([f"{sum(by_split.values()):,}"] if sums else [])]
        for label, by_split in counts.items()
    ]
    return Table(head, rows)


def bars(counts: Counts) -> list[Picture]:
    """Horizontal bars, the splits of a class one behind the other; a figure for each forty classes."""
    labels = list(counts)
    widest = max(sum(by_split.values()) for by_split in counts.values())
    return [_drawn(figure, shown) for figure, shown in _figures(counts, labels, widest)]


def _figures(counts: Counts, labels: Sequence[str], widest: int) -> Iterator[tuple[Figure, Sequence[str]]]:
    for start in range(0, len(labels), _BARS):
        shown = labels[start : start + _BARS]
        rest = f", {start + 1} to {start + len(shown)} of {len(labels)}" if len(labels) > _BARS else ""
        yield _figure({label: counts[label] for label in shown}, f"Pictures of each class{rest}", widest), shown


def _figure(counts: Counts, title: str, widest: int) -> Figure:
    figure, axes = plot(title, "pictures", "")
    figure.set_size_inches(5.6, 1.3 + 0.22 * max(3, len(counts)))
    left = [0] * len(counts)
    for split in next(iter(counts.values())):
        sizes = [by_split[split] for by_split in counts.values()]
        colour, hatch = _STYLES[split]
        axes.barh(range(len(counts)), sizes, 0.75, left, color=colour, hatch=hatch, edgecolor="white", label=split)
        left = [before + size for before, size in zip(left, sizes, strict=True)]
    axes.set_yticks(range(len(counts)), [_short(label) for label in counts], fontsize=9, parse_math=False)
    axes.set_ylim(max(3, len(counts)) - 0.4, -0.6)
    axes.set_xlim(0, widest * 1.02)
    if len(next(iter(counts.values()))) > 1:
        figure.legend(loc="outside lower right", ncols=3, frameon=False)
    return figure


def _drawn(figure: Figure, labels: Sequence[str]) -> Picture:
    with warnings.catch_warnings():  # a class may be named in a script that the plot's typeface lacks
        warnings.simplefilter("ignore")
        return drawn(figure, f"Bars: how many pictures there are of each of {len(labels)} classes, as in the table")


def _short(label: str) -> str:
    name = printable(label)
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
