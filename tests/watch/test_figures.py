from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from bluebird.quality.calibration import reliability
from bluebird.quality.prevalence import weights_at
from bluebird.quality.ranking import looking_curve, ranking
from bluebird.watch import figures

RNG = np.random.default_rng(1)
RELEVANT = np.arange(300) < 40
SCORES = 1 / (1 + np.exp(-(RNG.normal(size=300) + 3 * RELEVANT - 2)))
DIAGRAM = reliability(SCORES, RELEVANT)
DRAWN = {
    "looking": figures.draw_looking(ranking(SCORES, RELEVANT), "bluebird"),
    "rare": figures.draw_looking(ranking(SCORES, RELEVANT, weights_at(RELEVANT, 0.001)), "bluebird"),
    "precision": figures.draw_precision_recall(ranking(SCORES, RELEVANT), "bluebird"),
    "reliability": figures.draw_reliability([("with", DIAGRAM), ("without", DIAGRAM)], "Trust", "score", "share"),
    "scores": figures.draw_scores(SCORES, RELEVANT, "bluebird"),
    "confusion": figures.draw_confusion(np.eye(4, dtype=np.int64), ["a", "b", "c", "d"], [1]),
    "many": figures.draw_confusion(np.eye(90, dtype=np.int64), [f"species {n}" for n in range(90)], [1]),
    "familiarity": figures.draw_familiarity(SCORES, SCORES[:50] / 2, "energy"),
}


def _grey(figure: Figure) -> np.ndarray:
    file = io.BytesIO()
    figure.savefig(file, dpi=60)
    return np.asarray(Image.open(file).convert("L"))


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_can_be_read_in_grey_and_says_what_its_axes_are(name: str) -> None:
    axes = DRAWN[name].axes[0]
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    assert axes.get_title(loc="left")
    assert np.ptp(_grey(DRAWN[name]).astype(int)) > 150


def test_names_with_dollar_signs_are_written_as_they_are() -> None:
    name = "A$_$B"  # no formula, and matplotlib takes it for one
    ranked = ranking(SCORES, RELEVANT)
    for figure in (
        figures.draw_looking(ranked, name),
        figures.draw_precision_recall(ranked, name),
        figures.draw_scores(SCORES, RELEVANT, name),
        figures.draw_reliability([("with", DIAGRAM)], name, f"score of {name}", f"share of {name}"),
        figures.draw_confusion(np.eye(2, dtype=np.int64), [name, "b"], [1]),
    ):
        file = io.BytesIO()
        figure.savefig(file, format="svg")
        assert file.getvalue().count(b"A$_$B") >= 1


def test_the_looking_curve_is_drawn_through_the_points_of_the_ranking() -> None:
    curve = next(line for line in DRAWN["looking"].axes[0].lines if line.get_label() == "best first")
    looked, found = looking_curve(ranking(SCORES, RELEVANT))
    assert np.array_equal(curve.get_xdata(), looked)
    assert np.array_equal(curve.get_ydata(), found)


def test_of_a_rare_target_shares_of_a_database_are_drawn() -> None:
    assert DRAWN["rare"].axes[0].get_xlabel() == "share of the database looked at"
    assert DRAWN["looking"].axes[0].get_xlabel() == "pictures looked at"


def test_lines_differ_in_more_than_colour() -> None:
    for name in ("looking", "precision"):
        lines = [line for line in DRAWN[name].axes[0].lines if not str(line.get_label()).startswith("_")]
        assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == len(lines)


@pytest.mark.parametrize("relevant", [RELEVANT, ~RELEVANT, RNG.permutation(RELEVANT)], ids=["good", "common", "by lot"])
def test_the_legend_lies_beside_the_curve_of_a_good_search_and_of_a_bad_one(relevant: np.ndarray) -> None:
    axes = figures.draw_precision_recall(ranking(SCORES, relevant), "bluebird").axes[0]
    curve = next(line for line in axes.lines if line.get_label() == "best first")
    axes.figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None
    assert not legend.get_window_extent().count_contains(axes.transData.transform(curve.get_xydata()))
