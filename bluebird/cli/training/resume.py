"""How a run that was interrupted is found again, and what it kept."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from bluebird.callbacks import Interrupt
from bluebird.cli.options import by_name
from bluebird.cli.take import take
from bluebird.cli.training.ranks import LostRankError, lost
from bluebird.errors import BundleError, DataError, UsageError

_KEPT = ("model.optimizer.", "model.layer_decay", "ema.decay", "early_stopping.patience")
"""Settings that Lightning and torch keep in a checkpoint, and take from there without a word."""


@dataclass(frozen=True)
class Kept:
    """The last checkpoint of a run and the training step at which it was written."""

    path: Path
    step: int


def take_resume(arguments: Sequence[str]) -> tuple[Path | None, list[str]]:
    """`--resume RUN` becomes the config of that run; what else is said changes it.

    Raises:
        UsageError: it names no run folder.
    """
    name, rest = take(arguments, "--resume", "the run folder to go on with, e.g. runs/mlp/version_0")
    if name is None:
        return None, rest
    config = Path(name) / "config.yaml"
    if not config.is_file():
        raise UsageError(f"{name!r}: not a run folder (no config.yaml in it)")
    return Path(name), ["--config", str(config), *rest]


def last_checkpoint(folder: Path) -> Path:
    """Where a run keeps its last epoch, whether it has finished one or not."""
    return folder / "checkpoints" / "last.ckpt"


def read_kept(folder: Path, wanted: dict[str, Any]) -> Kept | None:
    """What the run in `folder` kept; None if it was interrupted in its first epoch.

    `wanted` is the card, as `bundle.describe` writes it, of the model that is to go on.

    Raises:
        BundleError: the checkpoint is truncated or foreign, or of a network of another shape.
        DataError: it was trained on other pictures than those that lie there now.
    """
    path = last_checkpoint(folder)
    if not path.is_file():
        return None
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        step, card = int(checkpoint["global_step"]), dict(checkpoint["bluebird"])
    except Exception as error:  # torch.load raises whatever it meets; all of it means the same here
        raise BundleError(f"{str(path)!r}: truncated, or no checkpoint; the run has to begin anew") from error
    if card.get("data_fingerprint") != wanted["data_fingerprint"]:
        raise DataError(f"{str(folder)!r}: the training pictures are not those it was trained on; begin a new run")
    if any(card.get(key) != wanted[key] for key in ("architecture", "arguments")):
        raise BundleError(f"{str(path)!r}: the checkpoint does not fit this config")
    return Kept(path, step)


def check_settings(folder: Path, wanted: dict[str, Any]) -> None:
    """Raise `UsageError` if the run in `folder` kept other settings than are wanted now, and would go on with its own.

    `wanted` is a config as `config.yaml` holds it.
    """
    if not last_checkpoint(folder).is_file():
        return
    before, now = (by_name(config) for config in (yaml.safe_load((folder / "config.yaml").read_bytes()), wanted))
    for key in sorted(before.keys() | now.keys()):
        if key.startswith(_KEPT) and before.get(key) != now.get(key):
            raise UsageError(
                f"{str(folder)!r}: began with {before.get(key)} and cannot go on with {now.get(key)} ({key}), for its "
                "checkpoint keeps that; leave it as it was, or begin a new run"
            )


@contextmanager
def interruptible(interrupt: Interrupt, advice: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C, which Lightning turns into an exit of its own, as a `KeyboardInterrupt` that says how to go on.

    Args:
        interrupt: one of the trainer's callbacks.
        advice: how to go on, asked for when it has ended early.

    Raises:
        LostRankError: another process of the same training does not answer any more.
    """
    before = signal.signal(signal.SIGINT, interrupt.ask)
    try:
        yield
        interrupt.obey()
    except (SystemExit, KeyboardInterrupt, RuntimeError) as stop:
        if _interrupted(stop):
            raise KeyboardInterrupt(f"interrupted; {advice()}") from None
        if lost(stop):
            raise LostRankError(f"another process of the training has ended; {advice()}") from stop
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def advice(folder: Path) -> str:
    """How to go on with a run that has ended early."""
    kept = last_checkpoint(folder).is_file()
    return f"go on with: {resuming(folder)}" if kept else "no epoch was finished, so nothing is kept"


def resuming(folder: Path) -> str:
    """The command that goes on with a run."""
    return shlex.join(["bluebird", "train", "--resume", str(folder)])


def ended_before(folder: Path) -> list[str]:
    """What is to be said where the run to go on with had come to its end."""
    if not (folder / "bundle").exists():
        return []
    return ["this run had ended: without more epochs (--trainer.max_epochs) it is only validated and tested once more"]


def _interrupted(stop: BaseException) -> bool:
    asked = stop.__context__ if isinstance(stop, SystemExit) else stop
    return isinstance(asked, KeyboardInterrupt)
