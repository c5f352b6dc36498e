"""`bluebird tune --weights`: trials begin as the training does that they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision import models

from bluebird.bundle import load_model
from bluebird.cli import main
from tests.cli.tuning.example import command, rows, split_birds


@pytest.mark.trial
def test_recipes_from_weights_are_searched_and_judged_as_they_are_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "weights.pth"
    torch.save(models.mobilenet_v3_small(weights=None).state_dict(), weights)
    network = ["--model.network", "bluebird.nets.Backbone", "--model.network.init_args.name", "mobilenet_v3_small"]
    begun = [*network, "--weights", str(weights), "--data.image_size", "32", "--trainer.max_epochs", "1"]
    out, root = tmp_path / "out", split_birds(tmp_path / "birds")
    assert main(command(root, out, *begun, space="recipe: [probe, few_shot]")) == 0
    found = {row["recipe"]: float(row["val/loss"]) for row in rows(out)}
    assert set(found) == {"probe", "few_shot"}
    assert main(["train", "--config", str(out / "best.yaml"), "--runs_dir", str(tmp_path / "runs")]) == 0
    judged = load_model(tmp_path / "runs" / "small" / "version_0").validation
    assert judged is not None
    loss = torch.nn.functional.cross_entropy(torch.as_tensor(judged.logits), torch.as_tensor(judged.targets))
    assert min(found.values()) == pytest.approx(float(loss), rel=1e-4)
    unlearning = ["--recipe", "fine_tune", "--model.optimizer.init_args.maximize", "true", "--trials", "1"]
    space = "model.optimizer.init_args.lr: [0.01]"
    assert main(command(root, tmp_path / "uphill", *begun, *unlearning, space=space)) == 0
    assert float(rows(tmp_path / "uphill")[0]["val/loss"]) == pytest.approx(found["probe"], rel=1e-4)
