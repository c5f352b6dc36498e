from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from bluebird.bundle import Bundle, Preprocessing, Validation, load_model
from bluebird.cli import main
from bluebird.cli.training.calibrate import calibrated
from bluebird.nets import MLP
from tests.conftest import MakeFolder, small_run

MODEL = Bundle(MLP(4, 8, widths=[4]).eval(), ("a", "b", "c", "d"), Preprocessing(8, [0.5] * 3, [0.5] * 3))


def _validation(count: int, sure: float) -> Validation:
    """Classes drawn from softmax(z), by a network that says `sure` times z."""
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(count, 4, generator=generator)
    targets = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
    return Validation(sure * logits, targets)


def test_a_network_that_is_too_sure_is_brought_back_to_the_truth() -> None:
    assert abs(calibrated(MODEL, _validation(20_000, 3.0)).temperature - 3) < 0.1
    assert abs(calibrated(MODEL, _validation(20_000, 0.5)).temperature - 0.5) < 0.02


def test_without_a_mistake_nothing_is_made_surer() -> None:
    right = Validation(4 * torch.eye(4), torch.arange(4))
    assert calibrated(MODEL, right).temperature == 1


def test_training_ends_with_what_the_best_weights_say_of_the_val_split(trained: Path) -> None:
    model = load_model(trained)
    card = json.loads((trained / "bundle" / "model.json").read_text())
    assert card["validation"]["split"] == "val"
    assert model.validation is not None
    assert card["validation"]["pictures"] == len(model.validation.targets) == 9  # 15 % of 20, for three classes
    (best,) = (trained / "checkpoints").glob("best-*.ckpt")
    kept = torch.load(best, weights_only=True)["callbacks"]
    (loss,) = {
        float(state["best_model_score"])
        for key, state in kept.items()
        if key.startswith("BestCheckpoint") and "val/loss" in key
    }
    said = torch.nn.functional.cross_entropy(model.validation.logits, model.validation.targets)
    assert abs(float(said) - loss) < 1e-5


@pytest.mark.parametrize("swapped", [False, True])
def test_scores_that_say_nothing_are_called_that(
    swapped: bool, make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folder(12, "birds/train")
    root = make_folder(12, "birds/val").parent
    if swapped:  # what is learnt of one is the opposite of the truth in the other
        (root / "val/red").rename(root / "val/moved")
        (root / "val/blue").rename(root / "val/red")
        (root / "val/moved").rename(root / "val/blue")
    assert main(["train", *small_run(root, tmp_path / "runs"), "--trainer.max_epochs", "4"]) == 0
    assert ("no nearer to the truth than chance" in capsys.readouterr().out) == swapped
