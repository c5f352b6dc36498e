"""What `bluebird tune` searches, held against the training's config."""

from __future__ import annotations

import difflib
from argparse import Namespace
from dataclasses import replace
from typing import Any

from bluebird.cli.options import by_name, read_config
from bluebird.cli.settings import refused_in_a_line
from bluebird.cli.training.parser import ParsedConfig, TrainCLI
from bluebird.errors import UsageError
from bluebird.tuning.space import Choice, Range, Space, read_space

_UNMEASURED = ("config", "name", "runs_dir", "target", "resume", "print_config")
_YARDSTICK = ("data.root", "data.val_share", "data.test_share", "data.max_unreadable", "data.seed", "seed_everything")
_LOSS = ("model.label_smoothing", "model.balance")
"""Settings that change what val/loss is."""


def checked_space(options: Namespace, training: list[str]) -> Space:
    """The space, each of whose values the config takes."""
    config = ParsedConfig(training).config
    if config.resume:
        raise UsageError("tune trains anew each time; leave out --resume")
    space = read_space(read_config(options.space), str(options.space))
    return {key: _checked(key, entry, options, training) for key, entry in space.items()}


def _checked(key: str, entry: Range | Choice, options: Namespace, training: list[str]) -> Range | Choice:
    where = f"{str(options.space)!r}: {key}"
    if key in _UNMEASURED:
        raise UsageError(f"{where} cannot be searched; leave it out")
    if key in _YARDSTICK or (key in _LOSS and options.metric == "val/loss"):
        raise UsageError(f"{where} changes what {options.metric} is measured on or by; leave it out")
    for word in entry.probes():
        try:
            ParsedConfig([*training, f"--{key}={word}"])
        except UsageError as error:
            raise UsageError(f"{where}: {_nearest(key, training) or error}") from error
    if isinstance(entry, Range) and entry.whole and not entry.step and _takes_fractions(key, entry, training):
        return replace(entry, whole=False)  # {low: 0, high: 1} for a weight decay means all that is between
    return entry


def _takes_fractions(key: str, entry: Range, training: list[str]) -> bool:
    try:
        ParsedConfig([*training, f"--{key}={entry.low + 0.5}"])
    except UsageError:
        return False
    return True


def _nearest(key: str, training: list[str]) -> str:
    """Which setting was probably meant, if there is none of that name."""
    known = list(by_name(ParsedConfig(training).settings()))
    near = difflib.get_close_matches(key, known, n=1)
    return f"no such setting; did you mean {near[0]}?" if near and key not in known else ""


def settings_of(options: Namespace, training: list[str], space: Space) -> dict[str, Any]:
    """All on which the value of a trial depends, by name; reads the pictures, and builds the model once."""
    with refused_in_a_line():
        cli = TrainCLI(training)
    config = {key: value for key, value in by_name(cli.settings()).items() if key not in _UNMEASURED}
    chosen = {name: getattr(options, name) for name in ("metric", "seed", "prune")}
    entries = {f"space {key}": str(entry) for key, entry in space.items()}
    return {**chosen, **entries, **config, "pictures": cli.datamodule.fingerprint}
