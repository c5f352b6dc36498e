"""The curve of a learning-rate range test."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from bluebird.watch.plot import BLUE, GREY, RUST, plot


def draw_range_test(lrs: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], chosen: float) -> Figure:
    """The loss of each step against its learning rate, smoothed too, with the learning rate that was chosen.

    Args:
        lrs: learning rates (T,), rising.
        losses: of the batches (T,).
        smoothed: the same, smoothed (T,).
        chosen: one of `lrs`.
    """
    figure, axes = plot("Learning-rate range test", "learning rate", "training loss [nats]")
    axes.plot(lrs, losses, color=GREY, linewidth=0.7, alpha=0.7, label="each batch")
    axes.plot(lrs, smoothed, color=BLUE, label="smoothed")
    height = smoothed[list(lrs).index(chosen)]
    axes.plot([chosen], [height], "o", color=RUST)
    axes.annotate(f"{chosen:.2g}", (chosen, height), (8, 6), textcoords="offset points", color=RUST)
    axes.set_xscale("log")
    low, high = min(smoothed), smoothed[0]
    margin = 0.1 * max(high - low, 1e-3)
    axes.set_ylim(max(0, low - 3 * margin), high + 5 * margin)  # what is lost beyond is of no interest
    axes.legend(loc="lower left", frameon=False)
    return figure
