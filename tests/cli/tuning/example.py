"""Searches for settings on small pictures, and what they leave behind."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bluebird.cli import main
from tests.conftest import small_run, write_folder

SPACE = """
model.optimizer.init_args.lr: {low: 1e-3, high: 1e-1, log: true}
data.batch_size: [4, 8]
model.network.init_args.dropout: {low: 0, high: 0.5, step: 0.1}
"""


def split_birds(root: Path) -> Path:
    """Split folders, ten pictures of each of two classes in each."""
    for split in ("train", "val", "test"):
        write_folder(root / split, 10, ("blue", "red"))
    return root


def command(root: Path, out: Path, *more: str, space: str = SPACE) -> list[str]:
    file = out.parent / f"{out.name}.yaml"
    file.write_text(space)
    training = small_run(root, out.parent / "runs")
    return [
        "tune",
        *training,
        "--space",
        str(file),
        "--out",
        str(out),
        *("--trials", "3", "--metric", "val/loss"),
        *more,
    ]


def refusal(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The last line, with which a search is refused or ends."""
    assert main(command) == 2
    return capsys.readouterr().err.splitlines()[-1]


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        del row["trial"], row["seconds"]  # those of a search that was interrupted are other ones
    return rows
