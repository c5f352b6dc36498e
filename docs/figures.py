"""Draws the figures of `backpropagation.md`.

python docs/figures.py [FOLDER]        by default docs/figures
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from matplotlib.figure import Figure
from torchvision.transforms.v2.functional import pil_to_tensor

from bluebird.cli.seven import curve, fit, start
from bluebird.pixels.paint import paint_picture
from bluebird.scratch import places, seven
from bluebird.watch.plot import BLUE, GREY, INK, RUST, plot
from bluebird.watch.seven import draw_descent


def neuron() -> Figure:
    figure, axes = plot("A gate: the weight says how steeply, the bias where", "x", "o = 1 / (1 + exp(-(b + w x)))")
    x = torch.linspace(-6, 6, 200)
    for weight, bias, colour, style in ((1, 0, INK, "-"), (3, 0, BLUE, "-"), (1, -2, RUST, "--"), (-1, 0, GREY, "-.")):
        label = f"w = {weight}, b = {bias}: half open at x = {-bias / weight + 0:.0f}"
        axes.plot(x, torch.sigmoid(bias + weight * x), color=colour, linestyle=style, label=label)
    axes.legend(frameon=False, fontsize=9)
    return figure


def failures() -> Figure:
    figure, axes = plot("The same training three times", "x", "f(x)")
    x, y = curve(80)
    axes.plot(x, y, "o", color=GREY, markersize=3, label="the curve to learn")
    for label, zero, activation, colour, style in (
        ("two gates, a drawn start", False, "sigmoid", INK, "-"),
        ("a start at zero: a network of one", True, "sigmoid", BLUE, "--"),
        ("no gates: a straight line", False, "linear", RUST, "-."),
    ):
        theta = start(0, zero=zero)
        fit(theta, x, y, activation)
        axes.plot(x, seven.forward(theta, x, activation).o21, color=colour, linestyle=style, label=label)
    axes.legend(frameon=False, fontsize=9)
    return figure


def convolution() -> Figure:
    """A painted bird, and what three kernels of 3 x 3 weights make of its brightness."""
    bird = paint_picture("bluebird", seed=0, index=7, size_px=96, difficulty=0.1)
    grey = pil_to_tensor(bird).double().mean(0, keepdim=True)[None] / 255  # (1, 1, S, S)
    kernels = {
        "upright edges": torch.tensor([[1.0, 0, -1]] * 3),
        "lying edges": torch.tensor([[1.0, 0, -1]] * 3).T,
        "whatever differs from around": torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    }
    figure = Figure(figsize=(9, 2.5), layout="constrained")
    panels = figure.subplots(1, 4)
    panels[0].imshow(bird)
    panels[0].set_title("a painted bird", fontsize=10)
    for panel, (name, kernel) in zip(panels[1:], kernels.items(), strict=True):
        answer = places.conv(grey, kernel.double()[None, None])[0, 0]
        panel.imshow(answer, cmap="RdBu_r", vmin=-1, vmax=1)
        panel.set_title(name, fontsize=10)
    for panel in panels:
        panel.axis("off")
    return figure


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "figures"
    theta = start(0, zero=False)
    first = theta.clone()
    descent = fit(theta, *curve(80), "sigmoid")
    draw_descent(folder, [first, *(theta for (theta,) in descent.path)], descent.errors, *curve(80), "sigmoid")
    (folder / "error.png").unlink()  # the chapter shows the other three
    for name, draw in {"neuron": neuron, "failures": failures, "convolution": convolution}.items():
        draw().savefig(folder / f"{name}.png", dpi=130)


if __name__ == "__main__":
    main()
