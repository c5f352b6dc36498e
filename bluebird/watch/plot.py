"""One look for every plot: colours that differ in grey too, units on the axes, no frame."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

INK, BLUE, RUST, GREY = "#222222", "#2860c4", "#c4622c", "#8a8a8a"


def plot(title: str, xlabel: str, ylabel: str) -> tuple[Figure, Any]:
    """A figure of 7 x 4.4 inches and its axes, ready to be drawn on."""
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.add_subplot()
    plain: Any = {"parse_math": False}  # a class may have dollar signs in its name
    axes.set_title(title, loc="left", color=INK, **plain)
    axes.set_xlabel(xlabel, **plain)
    axes.set_ylabel(ylabel, **plain)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
