"""Plain command lines, read by argparse, whose mistakes become one line like every other."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from bluebird.errors import UsageError


class OptionParser(argparse.ArgumentParser):
    """An `ArgumentParser` that keeps the line breaks of its description and raises `UsageError`."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def read_config(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        UsageError: it cannot be read, or is not YAML.
    """
    import yaml  # of no use to most commands

    try:
        return yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{str(path)!r}: the config cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{str(path)!r}: the config is not YAML ({error})") from error


def by_name(config: Any, prefix: str = "") -> dict[str, Any]:
    """The settings of a nested config by their names on the command line."""
    named: dict[str, Any] = {}
    for name, value in config.items():
        named |= by_name(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return named


def add_target(parser: argparse.ArgumentParser) -> None:
    """`--target`, for `choose.choose_target`."""
    parser.add_argument(
        "--target",
        action="append",
        metavar="CLASS",
        help="what is looked for, a class or a part of its name; more than once: any of them (default: bluebird)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--device`, for `choose.choose_device`."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps ... (default: auto)")


def at_least(minimum: int) -> Callable[[str], int]:
    """An argparse type: whole numbers from `minimum` up."""

    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {minimum}")
        return value

    return whole_number


def positive(text: str) -> float:
    """An argparse type: finite numbers above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number above 0")
    return value


def accepted(text: str) -> float | tuple[str, float]:
    """An argparse type: a score from 0 to 1, or what it is to reach, as `recall=0.95` or `precision=0.9`."""
    what, joined, value = text.partition("=")
    if not joined:
        return share(text)
    if what not in ("recall", "precision") or not share(value):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a score nor recall=SHARE or precision=SHARE, above 0")
    return what, share(value)


def share(text: str) -> float:
    """An argparse type: numbers from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value
