"""`bluebird train --find WHAT`: tries before a training what is hard to guess, says it, and trains nothing.

It stops there so that a person looks at the figures first, and so that the command, the config and the seed of the
training that follows are all there is to it: nobody has to know that a finder ran before.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bluebird.cli.take import take
from bluebird.cli.training.find_batch_size import find_batch_size, quickest
from bluebird.cli.training.find_lr import LR, find_lr, save_curve
from bluebird.cli.training.parser import TrainCLI
from bluebird.errors import UsageError

What = Literal["lr", "batch_size"]
_WHATS = "lr or batch_size"


def find(cli: TrainCLI, what: What, arguments: Sequence[str]) -> int:
    """Try, and print what was found with the command that trains with it.

    Args:
        cli: whose model is spent afterwards.
        what: is looked for.
        arguments: of the command line.

    Raises:
        UsageError, TrainingError, OutputError: as `find_lr` and `find_batch_size`.
    """
    if what not in ("lr", "batch_size"):
        raise UsageError(f"--find {what}: expected {_WHATS}")
    setting, value = _say_lr(cli) if what == "lr" else _say_batch_size(cli)
    _, rest = take(arguments, "--find", _WHATS)
    print(f"train    {shlex.join(['bluebird', 'train', *rest, f'--{setting}', value])}")
    return 0


def _say_lr(cli: TrainCLI) -> tuple[str, str]:
    lr, figure = find_lr(cli)
    path = Path(cli.config.runs_dir) / cli.config.name / "lr_finder.png"  # version_N folders hold trainings
    save_curve(figure, path)
    print(f"lr       {lr:g}\nlook     {path}")
    return LR, f"{lr:g}"


def _say_batch_size(cli: TrainCLI) -> tuple[str, str]:
    tried, beyond = find_batch_size(cli)
    print(f"measured on {tried[0].device.upper()}, by training steps, pictures fetched and varied as in a training\n")
    print(f"{'batch size':>10}  {'pictures/s':>10}  {'memory':>9}")
    for one in tried:
        memory = f"{one.memory / 2**20:,.0f} MiB" if one.memory else "-"
        print(f"{one.batch_size:>10,}  {one.pictures_per_second:>10,.0f}  {memory:>9}")
    if beyond:
        print(f"{beyond:>10,}  does not fit")
    chosen = quickest(tried).batch_size
    print(f"\nfits     {tried[-1].batch_size:,} {'at most' if beyond else 'and perhaps more'}")
    print(f"quickest {chosen:,}: more are hardly quicker, and make fewer steps of the same pictures")
    return "data.batch_size", str(chosen)
