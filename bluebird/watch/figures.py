"""How good a search is, as figures: for the report, for TensorBoard, for whoever would rather look than read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from bluebird.quality.calibration import Reliability
from bluebird.quality.ranking import Ranking, average_precision, looking_curve, looks_for, precision_recall
from bluebird.watch.plot import BLUE, GREY, INK, RUST, plot

Doubles: TypeAlias = NDArray[np.float64]
Band: TypeAlias = tuple[Doubles, Doubles, Doubles]
"""Where on the x axis, and from where to where a curve might wander there."""

_NAMED = 40  # classes that a confusion matrix has room to name


def draw_looking(r: Ranking, target: str, band: Band | None = None, wanted: float = 0.95) -> Figure:
    """The share of the target found against pictures looked at, beside the best order there is and one by lot."""
    figure, axes = plot(f"Looking for {target}", "pictures looked at", f"share of {target} found")
    looked, found = looking_curve(r)
    everything, relevant = looked[-1], r.found[-1]
    axes.plot([0, relevant, everything], [0, 1, 1], color=GREY, linestyle=":", label="ideal order")
    axes.plot([0, everything], [0, 1], color=GREY, linestyle="--", label="any order")
    if band:
        axes.fill_between(band[0], band[1], band[2], color=BLUE, alpha=0.15, linewidth=0, label="95 % band")
    axes.plot(looked, found, color=BLUE, label="best first")
    looks = looks_for(r, wanted)
    axes.plot([looks], [wanted], "o", color=RUST)
    axes.annotate(
        f"{wanted:.0%} after {_number(looks)}", (looks, wanted), (8, -14), textcoords="offset points", color=RUST
    )
    axes.set_ylim(0, 1.02)
    _percent(axes, "y")
    _shares_of_a_database(axes, everything)
    axes.legend(loc="lower right", frameon=False)
    return figure


def draw_precision_recall(r: Ranking, target: str) -> Figure:
    """The precision of what is accepted against the share found, with the share that any order would have."""
    figure, axes = plot(f"Average precision {average_precision(r):.3f}", f"recall of {target}", "precision")
    recall, precision = precision_recall(r)
    share = r.found[-1] / r.looked[-1]
    axes.axhline(share, color=GREY, linestyle="--", label=f"any order: {share:.2g}")
    axes.step(np.append(0, recall), np.append(precision[0], precision), where="pre", color=BLUE, label="best first")
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.02)
    _percent(axes, "xy")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)  # above: a curve may be anywhere
    return figure


def draw_reliability(diagrams: Sequence[tuple[str, Reliability]], title: str, said: str, came: str) -> Figure:
    """Up to two reliability diagrams, the first one drawn strongly; bars are exact 95 % intervals.

    Args:
        diagrams: each with its name.
        title: of the figure.
        said: what the x axis holds, e.g. "score".
        came: what the y axis holds.
    """
    figure, axes = plot(title, said, came)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="said = came true")
    for (name, diagram), (colour, marker) in zip(diagrams, ((BLUE, "o"), (RUST, "s")), strict=False):
        full = diagram.counts > 0
        x, y = diagram.confidence[full], diagram.observed[full]
        errors = np.stack([y - diagram.low[full], diagram.high[full] - y]).clip(min=0)
        axes.errorbar(x, y, errors, color=colour, marker=marker, markersize=4, linewidth=1, elinewidth=0.7, label=name)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    _percent(axes, "xy")
    axes.legend(loc="upper left", frameon=False)
    return figure


def draw_scores(scores: Doubles, relevant: NDArray[np.bool_], target: str) -> Figure:
    """How the scores of the target and of all else are spread; the y axis is logarithmic, for the rest are many."""
    figure, axes = plot("Scores", f"score of {target}", "pictures")
    edges = np.linspace(0, 1, 41)
    axes.hist(scores[~relevant], edges, color=GREY, label="all else", alpha=0.6)
    axes.hist(scores[relevant], edges, histtype="step", color=BLUE, linewidth=2, hatch="//", label=target)
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    for text in axes.legend(loc="upper center", frameon=False).get_texts():
        text.set_parse_math(False)
    return figure


def draw_confusion(matrix: NDArray[np.int64], classes: Sequence[str], marked: Sequence[int] = ()) -> Figure:
    """Of each class (a row) the share that was taken for each class (a column); names only where they have room.

    Args:
        matrix: counts (K, K).
        classes: K names.
        marked: the classes that are looked for.
    """
    figure, axes = plot("What was taken for what", "taken for", "was")
    side = 4.5 if len(classes) > _NAMED else 2.5 + 0.2 * len(classes)
    figure.set_size_inches(side + 2, side + 0.6)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, label="share of the class", format=PercentFormatter(1, 0), shrink=0.8)
    if len(classes) <= _NAMED:
        axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=8, parse_math=False)
        axes.set_yticks(range(len(classes)), classes, fontsize=8, parse_math=False)
    else:
        axes.set_xlabel("taken for (classes by number, in the order of their names)")
    for index in marked:
        axes.axhline(index, color=BLUE, linewidth=0.6)
        axes.axvline(index, color=BLUE, linewidth=0.6)
    return figure


def draw_familiarity(known: Doubles, unknown: Doubles, method: str) -> Figure:
    """How familiar pictures of known and of unknown species look, as shares of each."""
    figure, axes = plot(f"Familiarity by {method}", "familiarity", "share of pictures")
    edges = np.histogram_bin_edges(np.concatenate([known, unknown]), 40)
    for values, name, style in (
        (known, "species it was trained on", {"color": BLUE, "alpha": 0.5}),
        (unknown, "species it never saw", {"color": INK, "histtype": "step", "linewidth": 1.5, "linestyle": "--"}),
    ):
        options: dict[str, Any] = dict(style)
        axes.hist(values, edges, weights=np.full(len(values), 1 / len(values)), label=name, **options)
    _percent(axes, "y")
    axes.legend(frameon=False)
    return figure


def _percent(axes: Axes, which: str) -> None:
    for name in which:
        getattr(axes, f"{name}axis").set_major_formatter(PercentFormatter(1, 0))


def _shares_of_a_database(axes: Axes, everything: float) -> None:
    """With weights that sum to one, what is looked at is a share of the database."""
    if everything <= 1 + 1e-9:
        axes.set_xlabel("share of the database looked at")
        _percent(axes, "x")
    axes.set_xlim(0, everything)


def _number(looks: float) -> str:
    return f"{looks:,.0f} looks" if looks > 1 else f"{looks:.2%} of the database"
