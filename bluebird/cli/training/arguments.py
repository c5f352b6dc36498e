"""What the arguments of a training say, read before the parser does, and what stands in for what they leave out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from bluebird.cli.options import read_config

_CLASSES = {"network": "bluebird.nets.MLP", "optimizer": "torch.optim.AdamW"}
"""What is chosen where nobody chooses."""

_LR_WITH_WEIGHTS = "2e-4"
"""At the optimiser's own rate a network would soon forget what its weights know."""


def complete(arguments: list[str]) -> list[str]:
    """Choose the network and the optimiser where nobody did, and put --print_config behind what it shows.

    Were these classes defaults of a signature, the parser would hand their arguments on to any class that
    is chosen instead and has some of the same name.
    """
    chosen: list[str] = []
    for key, path in _CLASSES.items():
        if not says(arguments, "model", key):
            chosen += [f"--model.{key}", path]
            if key == "optimizer" and says(arguments, "weights"):
                chosen += ["--model.optimizer.init_args.lr", _LR_WITH_WEIGHTS]
    printing = [word for word in arguments if word.startswith("--print_config")]
    return [*chosen, *(word for word in arguments if word not in printing), *printing]


def says(arguments: list[str], *key: str) -> bool:
    """Whether the key is set by an option or by one of the configs; ("data", "image_size") is `data.image_size`."""
    option = f"--{'.'.join(key)}"
    if any(word == option or word.startswith(f"{option}=") for word in arguments):
        return True
    return any(_holds(read_config(Path(name)), key) for name in _config_names(arguments))


def _holds(config: Any, key: Sequence[str]) -> bool:
    for name in key:
        if not isinstance(config, dict) or config.get(name) is None:
            return False
        config = config[name]
    return True


def _config_names(arguments: list[str]) -> Iterator[str]:
    """The files that are given as `--config FILE`, `--config=FILE` or `-c FILE`."""
    for word, following in pairwise([*arguments, ""]):
        option, joined, name = word.partition("=")
        if option in ("--config", "-c"):
            yield name if joined else following
