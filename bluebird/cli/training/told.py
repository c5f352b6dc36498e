"""What a training says in the terminal, beside its progress."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from bluebird.bundle import Bundle
from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.resume import ended_before
from bluebird.quality.calibration import TEMPERATURES


def notes(cli: TrainCLI, resumed: Path | None) -> list[str]:
    """What there is to say of the data, and of the run to go on with, if any, before anything is learnt."""
    data = cli.datamodule
    sizes = {name: len(dataset) for name, dataset in data.datasets.items()}
    counts = ", ".join(f"{size:,} {name}" for name, size in sizes.items())
    told = [f"{len(data.classes)} classes; pictures: {counts}", *data.listing.notes]
    if data.leaks:
        told.append(f"{data.leaks} pictures of val and test have an identical copy in train")
    if data.failures:
        told.append(f"{len(data.failures)} unreadable files are left out, listed at the end")
    if not cli.watched():
        told.append(f"no one class is meant by --target {cli.config.target}, so no bird's search is watched")
    return [*told, *(ended_before(resumed) if resumed else [])]


def said(note: str | None) -> list[str]:
    """A note, if there is one, once it has been printed."""
    if not note:
        return []
    print(f"note     {note}", flush=True)
    return [note]


def report(cli: TrainCLI, folder: Path, bundle: Bundle) -> None:
    """How good it is, where everything lies, what to do with it, and which files were left out."""
    data = cli.datamodule
    metrics = bundle.metrics
    target = shlex.join(cli.watched()) or "CLASS"
    print(
        f"\ntest     accuracy {metrics['test/accuracy']:.4f}  macro F1 {metrics['test/f1']:.4f}  "
        f"on {len(data.datasets['test']):,} pictures\n"
        f"model    {folder / 'bundle'}\n"
        f"curves   tensorboard --logdir {folder.parent.parent}\n"
        f"search   bluebird predict {folder} FOLDER --target {target} --out finds"
    )
    if bundle.temperature > 0.99 * TEMPERATURES[1]:
        print("\nnote     what it said of the val split is no nearer to the truth than chance: all scores are alike")
    if data.failures:
        print(f"\nleft out, for they cannot be read ({len(data.failures)}):", file=sys.stderr)
        for failure in data.failures:
            print(f"  {failure}", file=sys.stderr)
