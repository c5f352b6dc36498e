from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bluebird.cli import main


@pytest.fixture
def seven(tmp_path: Path, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs `bluebird seven` and returns what it printed."""

    def run(*arguments: str) -> str:
        assert main(["seven", "--runs-dir", str(tmp_path / "runs"), *arguments]) == 0
        return capsys.readouterr().out

    return run


def test_the_three_gradients_stand_side_by_side(seven) -> None:  # type: ignore[no-untyped-def]
    text = seven("--epochs", "5")
    rows = [line.split() for line in text.splitlines() if re.match(r"theta\d ", line)]
    assert len(rows) == 7
    for *_, by_hand, autograd, central in rows:
        assert float(by_hand) == pytest.approx(float(autograd), abs=1e-9)
        assert float(by_hand) == pytest.approx(float(central), abs=1e-6)
    assert float(re.search(r"by hand - autograd (\S+),", text)[1]) < 1e-12  # type: ignore[index]


def test_it_says_when_and_why_it_stopped(seven) -> None:  # type: ignore[no-untyped-def]
    assert "stopped after epoch 5: the limit of epochs" in seven("--epochs", "5")
    assert re.search(r"stopped after epoch \d+: no parameter moved by 0.001", seven("--threshold", "0.001"))


def test_linear_neurons_end_as_the_best_straight_line(seven) -> None:  # type: ignore[no-untyped-def]
    from bluebird.cli.seven import curve

    text = seven("--linear", "--threshold", "1e-9")
    intercept, slope = map(float, re.search(r"straight line (\S+) \+ (\S+) x", text).groups())  # type: ignore[union-attr]
    x, y = (values.numpy() for values in curve(80))
    expected_slope, expected_intercept = np.polyfit(x, y, 1)
    assert intercept == pytest.approx(expected_intercept, abs=1e-3)
    assert slope == pytest.approx(expected_slope, abs=1e-3)


def test_a_start_at_zero_ends_as_a_network_of_one(seven) -> None:  # type: ignore[no-untyped-def]
    assert "still equal to the last bit" in seven("--zero-start", "--epochs", "500")
    assert "still equal" not in seven("--epochs", "500")


def test_the_figures_show_something(seven, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    seven("--epochs", "50", "--plot", str(tmp_path / "figures"))
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["error.png", "fit.png", "neurons.png", "surface.png"]
    for name in names:
        with Image.open(tmp_path / "figures" / name) as figure:
            pixels = np.asarray(figure.convert("L"), dtype=float)
        assert pixels.shape[1] > 800
        assert (pixels < 128).mean() > 0.005  # ink on paper


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--lr", "0"], "not a finite number above 0"),
        (["--threshold", "nan"], "not a finite number above 0"),
        (["--epochs", "none"], "not a whole number of at least 1"),
        (["--lr", "50", "--linear"], "lower the learning rate (--lr)"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["seven", "--runs-dir", str(tmp_path), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["seven", "--runs-dir", str(tmp_path), "--epochs", "3", "--plot", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "file'" in line
    assert "cannot be written" in line
