"""What is left beside a trained model: its card, and where the time went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from bluebird.bundle import load_model
from bluebird.cli import main
from tests.conftest import MakeFolder, small_run


def test_the_card_tells_of_this_training(trained: Path) -> None:
    text = (trained / "bundle" / "MODEL_CARD.md").read_text(encoding="utf-8")
    front, _, body = text.removeprefix("---\n").partition("\n---\n")
    results = yaml.safe_load(front)["model-index"][0]["results"][0]["metrics"]
    accuracy = next(metric["value"] for metric in results if metric["type"] == "accuracy")
    assert accuracy == pytest.approx(load_model(trained).metrics["test/accuracy"], abs=1e-4)
    assert all(name in body for name in ("blue", "red", "green"))
    assert "bluebird train" in body


def test_where_the_time_went_is_printed_and_kept(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *small_run(make_folder(), tmp_path)]) == 0
    kept = json.loads((tmp_path / "small" / "version_0" / "time.json").read_text())
    out = capsys.readouterr().out
    assert all(word in out for word in ("forward", "backward", "optimiser", "loading"))
    assert kept
