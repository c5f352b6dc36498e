"""`bluebird train --seeds 3`: the same training from several seeds, and how far their figures differ.

One process does them one after the other: Ctrl-C, a full disk and a refused setting then are what they are for one
training, and a seed starts from nothing but its number, as it does alone (the tests hold it to that).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bluebird.bundle import load_model
from bluebird.cli.choose import choose_target
from bluebird.cli.memory import do_and_forget
from bluebird.cli.options import read_config
from bluebird.cli.take import take
from bluebird.cli.training.parser import ParsedConfig
from bluebird.errors import BluebirdError, DataError, UsageError
from bluebird.files import write_whole
from bluebird.quality.ranking import average_precision
from bluebird.report.validation import validation_ranking

Figures = dict[str, float]
_EXPECTED = "how many, as 3, or which, as 0,1,5; each once, none below 0"


def take_seeds(arguments: Sequence[str]) -> tuple[list[int], list[str]]:
    """The seeds that `--seeds 3` (0, 1 and 2) or `--seeds 0,1,5` ask for, none without it, and all other arguments.

    Raises:
        UsageError: they are no seeds, or go with options that speak of one training.
    """
    given, rest = take(arguments, "--seeds", _EXPECTED)
    if given is None:
        return [], rest
    for option in ("--seed_everything", "--resume", "--find"):
        if any(word.partition("=")[0] == option for word in rest):
            raise UsageError(f"--seeds {given}: cannot go with {option}, which is about one training; leave one out")
    try:
        seeds = [int(word) for word in given.split(",") if word] if "," in given else list(range(int(given)))
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds {given}: expected {_EXPECTED}")
    return seeds, rest


def train_seeds(arguments: list[str], seeds: Sequence[int], train: Callable[[list[str]], int]) -> int:
    """Train from each seed in RUNS_DIR/NAME/seed_N; print and keep the figures, their mean and standard deviation.

    A seed that is done already is left as it is, and one that was interrupted goes on, so that the same command, given
    again, brings them all to their end. `seeds.json` and `seeds.csv` in RUNS_DIR/NAME hold the figures.

    Args:
        arguments: of the training, without --seeds.
        seeds: one or more.
        train: trains once by such arguments.

    Raises:
        UsageError: the folder holds seeds of other settings.
        OutputError: the figures cannot be written.
        KeyboardInterrupt: which says how to go on.
    """
    parsed = ParsedConfig(arguments)
    config, wanted = parsed.config, parsed.settings()
    folder = Path(config.runs_dir) / config.name
    runs = {seed: folder / f"seed_{seed}" / "version_0" for seed in seeds}
    for done, (seed, run) in enumerate(runs.items()):
        _refuse_others(run, wanted)
        print(f"\nseed     {seed} ({done + 1} of {len(seeds)})", flush=True)
        named = [*arguments, "--name", f"{config.name}/seed_{seed}"]
        do_and_forget(partial(_bring_to_its_end, seed, run, named, train))
    figures = {seed: figures_of(run, config.target) for seed, run in runs.items()}
    _keep(folder, figures)
    print(f"\n{table(figures)}\n\nfigures  {folder / 'seeds.csv'}, {folder / 'seeds.json'}")
    if len({load_model(run).data_fingerprint for run in runs.values()}) > 1:
        print("note     each seed drew its own splits, which differ in difficulty too; give the data splits of its own")
    return 0


def _bring_to_its_end(seed: int, run: Path, arguments: list[str], train: Callable[[list[str]], int]) -> None:
    if (run / "bundle" / "model.json").is_file():  # which is written last
        print(f"done     {run}", flush=True)
        return
    with suppress(OSError):
        run.rmdir()  # of one that was killed before it wrote anything
    started = (run / "config.yaml").is_file()
    try:
        train(["--resume", str(run)] if started else [*arguments, "--seed_everything", str(seed)])
    except BluebirdError as error:
        raise BluebirdError(f"seed {seed}: {error}; seeds that are done are kept") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command goes on, seeds that are done are kept") from None


def _refuse_others(run: Path, wanted: dict[str, Any]) -> None:
    """Raise `UsageError` where the run is there already, of other settings."""
    if not (run / "config.yaml").is_file():
        return
    before, now = _compared(read_config(run / "config.yaml")), _compared(wanted)
    if other := [key for key in sorted(before | now) if before.get(key) != now.get(key)]:
        raise UsageError(
            f"{str(run)!r}: is of another training, which differs in {', '.join(other)}; choose another --name"
        )


def _compared(config: dict[str, Any]) -> dict[str, Any]:
    """A config without what differs from seed to seed."""
    data = {key: value for key, value in config["data"].items() if key != "seed"}
    return {key: value for key, value in config.items() if key not in ("seed_everything", "name")} | {"data": data}


def figures_of(run: Path, target: str) -> Figures:
    """The test metrics of a run that is done, and the average precision of the target on the val split."""
    model = load_model(run)
    figures = dict(model.metrics)
    with suppress(UsageError, DataError):  # no class is meant by the word, or no picture of it was held out
        order = validation_ranking(model, choose_target(model.classes, [target]))
        figures["val/average_precision"] = average_precision(order)
    return figures


def summary(figures: Mapping[int, Figures]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation over the seeds of each figure that all have; n - 1 in the latter's denominator.

    Of one seed alone there is no standard deviation: NaN.
    """
    first, *others = figures.values()
    names = [name for name in first if all(name in other for other in others)]
    columns = {name: np.array([one[name] for one in figures.values()]) for name in names}
    return {
        name: (float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan"))
        for name, values in columns.items()
    }


def table(figures: Mapping[int, Figures]) -> str:
    """A line for each figure: its name, its mean and standard deviation, and the value of each seed."""
    spread = summary(figures)
    width = max(map(len, spread))
    lines = [f"{'':{width}}  {'mean':>7}  {'std':>7}  " + "  ".join(f"seed {seed:<2}" for seed in figures)]
    for name, (mean, std) in spread.items():
        values = "  ".join(f"{one[name]:7.4f}" for one in figures.values())
        lines.append(f"{name:{width}}  {mean:7.4f}  {std:7.4f}  {values}")
    return "\n".join(lines)


def _keep(folder: Path, figures: Mapping[int, Figures]) -> None:
    spread = summary(figures)
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["seed", *spread])
    writer.writerows([seed, *(one[name] for name in spread)] for seed, one in figures.items())
    write_whole(folder / "seeds.csv", rows.getvalue().encode())
    kept: dict[str, Any] = {"seeds": {str(seed): one for seed, one in figures.items()}}
    kept["mean"] = {name: mean for name, (mean, _) in spread.items()}
    kept["std"] = {name: std for name, (_, std) in spread.items() if std == std}
    write_whole(folder / "seeds.json", (json.dumps(kept, indent=2) + "\n").encode())
