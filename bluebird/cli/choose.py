"""What is meant by words of the command line: classes by a part of their name, a score by what it reached, a device."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bluebird.bundle import Bundle
from bluebird.engines.native import CPU
from bluebird.errors import DataError, UsageError

DEFAULT_TARGET = "bluebird"


def choose_target(classes: Sequence[str], wanted: Sequence[str] | None, option: str = "--target") -> list[str]:
    """The classes that are meant by an option: by their name, or by a part of it that only one class has.

    Raises:
        UsageError: none or several are meant by a word.
    """
    return list(dict.fromkeys(_class_of(word, classes, option) for word in wanted or [DEFAULT_TARGET]))


def choose_watched(classes: Sequence[str], word: str) -> list[str]:
    """The class whose search a training watches; none where nobody named one, and the default means none or several.

    Raises:
        UsageError: none or several are meant by another word.
    """
    try:
        return choose_target(classes, [word])
    except UsageError:
        if word != DEFAULT_TARGET:
            raise
        return []


def _class_of(word: str, classes: Sequence[str], option: str) -> str:
    meant = [name for name in classes if word.casefold() in name.casefold()]
    if word in classes:
        meant = [word]
    if len(meant) == 1:
        return meant[0]
    listed = ", ".join(classes[:12]) + (f" and {len(classes) - 12} more" if len(classes) > 12 else "")
    seen = f"may be {' or '.join(meant[:5])}" if meant else f"is none of the model's classes ({listed})"
    raise UsageError(f"{option} {word!r} {seen}; name one class, or several one by one")


def choose_accept(model: Bundle, target: Sequence[str], wanted: float | tuple[str, float]) -> float:
    """The score of a find: as it was given, or as the model's validation has it for a wanted recall or precision.

    Raises:
        UsageError: validation cannot tell, or never reached it.
    """
    if isinstance(wanted, float):
        return wanted
    from bluebird.report.validation import threshold_for  # scipy, which a plain score does without

    what, share = wanted
    try:
        return threshold_for(model, target, "recall" if what == "recall" else "precision", share)
    except DataError as error:
        raise UsageError(f"--accept {what}={share:g}: {error}; give a score") from error


def choose_device(name: str, engine: str) -> torch.device:
    """The device of this name; for "auto", an accelerator where there is one and the engine is torch.

    Raises:
        UsageError: this machine has no such device.
    """
    if name == "auto":
        return CPU if engine != "torch" else torch.accelerator.current_accelerator(check_available=True) or CPU
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: not on this machine ({str(error).splitlines()[0]})") from error
    return device
