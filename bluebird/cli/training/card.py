"""What is left beside a trained model for whoever meets it later: its card, and where the time went."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import lightning as L
import torch

from bluebird.bundle import Bundle, Validation, versions
from bluebird.cli.training.parser import TrainCLI
from bluebird.files import write_whole
from bluebird.report.card_facts import Made, Training, TrainingData
from bluebird.report.model_card import NAME, model_card
from bluebird.watch.time_table import TimeTable


def write_card(
    cli: TrainCLI, model: Bundle, tested: Validation, target: Sequence[str], arguments: list[str], made: Made,
    folder: Path,
) -> None:  # fmt: skip
    """`MODEL_CARD.md` into the folder of a bundle.

    Args:
        model: with all that was measured.
        tested: what it said of the test split.
        target: the classes that are looked for.
        arguments: of the command that trained it.
        made: how the network came about.
    """
    command = ["bluebird", "train", *arguments]
    training = Training(cli.config.name, model, _data(cli), target, cli.settings(), command, versions(), tested, made)
    write_whole(folder / NAME, model_card(training).encode())


def _data(cli: TrainCLI) -> TrainingData:
    data = cli.datamodule
    counts = {
        split: torch.bincount(chosen.targets[chosen.rows], minlength=len(data.classes)).tolist()
        for split, chosen in data.datasets.items()
    }
    return TrainingData(data.listing.root.absolute().name, counts, data.drawn, data.leaks, len(data.failures))


def write_times(trainer: L.Trainer, folder: Path) -> str:
    """Where the time of a training went, as a table to print, empty where none was kept; and `time.json`."""
    profiler = trainer.profiler  # type: ignore[attr-defined]
    taken = profiler.taken(trainer.strategy.root_device.type) if isinstance(profiler, TimeTable) else None
    if taken is None:
        return ""
    write_whole(folder / "time.json", (json.dumps(taken.summary(), indent=2) + "\n").encode())
    return taken.table()
