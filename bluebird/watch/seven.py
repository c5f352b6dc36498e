"""What happens while seven parameters learn, as four figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import torch
from matplotlib.figure import Figure
from torch import Tensor

from bluebird.scratch.seven import Activation, error, forward
from bluebird.watch.plot import BLUE, GREY, INK, RUST, plot


def draw_descent(
    folder: Path, path: Sequence[Tensor], errors: Sequence[float], x: Tensor, y: Tensor, activation: Activation
) -> list[Path]:
    """Write fit.png, error.png, neurons.png and surface.png into `folder`.

    Args:
        path: theta (7,) at the start and after each epoch.
        errors: the error before each epoch.
        x, y: the points of the curve, (N,).

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "fit": _fit(path, x, y, activation),
        "error": _error(errors),
        "neurons": _neurons(path[-1], x, y, activation),
        "surface": _surface(path, x, y, activation),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=130)
    return [folder / f"{name}.png" for name in figures]


def _moments(count: int, wanted: int = 8) -> list[int]:
    """Some epochs out of `count`, denser at the beginning, where most happens; first and last among them."""
    steps = torch.logspace(0, torch.log10(torch.tensor(float(count))).item(), wanted - 1)
    return sorted({0, count - 1, *(min(count - 1, int(step)) for step in steps)})


def _fit(path: Sequence[Tensor], x: Tensor, y: Tensor, activation: Activation) -> Figure:
    figure, axes = plot("The fit, moving over the epochs", "x", "f(x)")
    axes.plot(x, y, "o", color=GREY, markersize=3, label="the curve to learn")
    moments = _moments(len(path))
    shades = matplotlib.colormaps["viridis_r"](torch.linspace(0.1, 1, len(moments)).numpy())
    for moment, shade in zip(moments, shades, strict=True):
        axes.plot(x, forward(path[moment], x, activation).o21, color=shade, label=f"after epoch {moment:,}")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _error(errors: Sequence[float]) -> Figure:
    figure, axes = plot("The error falls", "epoch", "E = ½ mean (y - f(x))²")
    axes.loglog(range(1, len(errors) + 1), errors, color=BLUE)
    return figure


def _neurons(theta: Tensor, x: Tensor, y: Tensor, activation: Activation) -> Figure:
    figure, axes = plot("What each hidden neuron brings in, and the sum of all", "x", "output")
    n = forward(theta, x, activation)
    t = theta.tolist()
    axes.axhline(t[4], color=GREY, linestyle=":", label=f"θ4 = {t[4]:.2f} shifts all")
    for name, o, colour, at, weight, steep in (
        ("o11", n.o11, BLUE, t[0], t[5], t[2]),
        ("o12", n.o12, RUST, t[1], t[6], t[3]),
    ):
        label = f"{weight:.2f} · {name}: stretched by {weight:.2f}, half at x = {-at / steep if steep else 0:.2f}"
        axes.plot(x, weight * o, color=colour, label=label)
    axes.plot(x, n.o21, color=INK, linewidth=2, label="f(x): θ4 and both")
    axes.plot(x, y, "o", color=GREY, markersize=3, label="the curve to learn")
    axes.legend(frameon=True, framealpha=1, edgecolor="none", fontsize=8)
    return figure


def _surface(path: Sequence[Tensor], x: Tensor, y: Tensor, activation: Activation) -> Figure:
    figure, axes = plot("The error over θ5 and θ6 (the others at their end), the way seen from above", "θ5", "θ6")
    way = torch.stack(list(path))[:, 5:]
    low, high = way.amin(0), way.amax(0)
    margin = 0.35 * (high - low).clamp(min=1)
    grids = [torch.linspace(float(a), float(b), 70) for a, b in zip(low - margin, high + margin, strict=True)]
    surface = torch.empty(70, 70)
    for row, t6 in enumerate(grids[1]):
        for column, t5 in enumerate(grids[0]):
            theta = torch.cat([path[-1][:5], torch.stack([t5, t6]).to(path[-1].dtype)])
            surface[row, column] = error(theta, x, y, activation)
    levels = axes.contourf(grids[0], grids[1], surface.log10(), levels=24, cmap="viridis_r")
    figure.colorbar(levels, label="log10 E")
    axes.plot(way[:, 0], way[:, 1], color=RUST, linewidth=1.5)
    axes.plot(*way[0], "o", color=INK, markeredgecolor="white", markersize=9, label="start")
    axes.plot(*way[-1], "*", color=RUST, markeredgecolor="white", markersize=15, label="end")
    axes.legend(frameon=True, fontsize=8)
    return figure
