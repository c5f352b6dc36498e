"""Which settings are searched, and what each may be: a small YAML file, read and checked."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from bluebird.errors import UsageError

if TYPE_CHECKING:
    from optuna import Trial

_WORDS = ("low", "high", "step", "log")
_FORMS = "expected a list of values, or {low: NUMBER, high: NUMBER} with step: NUMBER or log: true where wanted"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; in steps, or evenly on a logarithmic scale, where that is said."""

    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False

    def draw(self, trial: Trial, key: str) -> str:
        """A number, as the command line takes it."""
        if self.whole:
            whole = trial.suggest_int(key, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
            return self.word(whole)
        return self.word(trial.suggest_float(key, self.low, self.high, step=self.step, log=self.log))

    def word(self, drawn: float) -> str:
        """What was drawn, as the command line takes it."""
        return repr(round(drawn, 12) if self.step else drawn)  # 0.3, not 0.30000000000000004

    def probes(self) -> list[str]:
        """The outermost of them; what lies between is of the same kind."""
        return [repr(int(bound) if self.whole else float(bound)) for bound in (self.low, self.high)]


@dataclass(frozen=True)
class Choice:
    """One of several values, each as the command line takes it."""

    values: tuple[str, ...]

    def draw(self, trial: Trial, key: str) -> str:
        return self.word(trial.suggest_categorical(key, self.values))

    def word(self, drawn: str) -> str:
        """What was drawn, as the command line takes it."""
        return drawn

    def probes(self) -> list[str]:
        """All of them."""
        return list(self.values)


Space: TypeAlias = dict[str, Range | Choice]


def read_space(config: Any, source: str) -> Space:
    """The space that a YAML file describes: key of the training config -> what it may be, in the file's order.

    Args:
        config: what the file holds.
        source: its path, for what is said of mistakes.

    Raises:
        UsageError: it is no such description.
    """
    if not isinstance(config, dict) or not config:
        raise UsageError(f"{source!r}: holds no space; expected lines like 'data.batch_size: [64, 128, 256]'")
    return {str(key): _entry(value, f"{source!r}: {key}") for key, value in config.items()}


def _entry(value: Any, where: str) -> Range | Choice:
    if isinstance(value, list):
        return _choice(value, where)
    if isinstance(value, dict):
        return _range(value, where)
    raise UsageError(f"{where} is {value!r}; {_FORMS}")


def _choice(values: list[Any], where: str) -> Choice:
    words = tuple(_word(value) for value in values)
    if not words or len(set(words)) < len(words):
        raise UsageError(f"{where} lists {'a value twice' if words else 'no value'}; expected different values")
    return Choice(words)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _range(value: dict[Any, Any], where: str) -> Range:
    strange = [str(word) for word in value if word not in _WORDS]
    if strange or "low" not in value or "high" not in value:
        what = f"holds {strange[0]!r}" if strange else "lacks low or high"
        raise UsageError(f"{where} {what}; {_FORMS}")
    log = value.get("log", False)
    if not isinstance(log, bool):
        raise UsageError(f"{where}.log is {log!r}; expected true or false")
    low, high, *steps = (_number(value[word], f"{where}.{word}") for word in _WORDS[:3] if word in value)
    _check_range(low, high, steps, log, where)
    whole = all(isinstance(number, int) for number in (low, high, *steps))
    return Range(low, high, steps[0] if steps else None, log, whole)


def _check_range(low: float, high: float, steps: list[float], log: bool, where: str) -> None:
    if low >= high:
        raise UsageError(f"{where} goes from {low} to {high}; expected a low below the high")
    if log and low <= 0:
        raise UsageError(f"{where} begins at {low}; with log: true, expected a low above 0")
    if log and steps:
        raise UsageError(f"{where} has both step and log; leave one out")
    if steps and not 0 < steps[0] <= high - low:
        raise UsageError(f"{where}.step is {steps[0]}; expected a number above 0, of {high - low} at most")


def _number(value: Any, where: str) -> float:
    """YAML takes 1e-4 for a word, for want of a point; it is a number here all the same."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise UsageError(f"{where} is {value!r}; expected a finite number")
    return value if isinstance(value, int) else number
