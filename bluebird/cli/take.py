"""One option picked out of a command line, where the rest is handed on."""

from __future__ import annotations

from collections.abc import Sequence

from bluebird.errors import UsageError


def take(arguments: Sequence[str], option: str, expected: str) -> tuple[str | None, list[str]]:
    """The value of `--option VALUE` or `--option=VALUE`, None without it, and all other arguments.

    Said twice, the last counts, as in every other option.

    Args:
        arguments: of a command line.
        option: with its dashes.
        expected: what the value should have been, for whoever left it out.

    Raises:
        UsageError: the option stands without a value.
    """
    rest: list[str] = []
    value: str | None = None
    words = iter(arguments)
    for word in words:
        name, joined, after = word.partition("=")
        if name != option:
            rest.append(word)
            continue
        value = after if joined else next(words, "")
        if not value:
            raise UsageError(f"{option}: expected {expected}")
    return value, rest
