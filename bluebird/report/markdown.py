"""Fills the Markdown templates of this folder; whatever comes from a user stands in them as the text that it is."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

_BACKSLASHED = frozenset("\\`*_[]#!")
_ENTITIES = {sign: f"&#{ord(sign)};" for sign in "&<>|~$@"}
"""What not every Markdown takes a backslash for; in a table, not even where it does."""


def render(template: str, **values: Any) -> str:
    """The Markdown that a template of this folder gives; a value that it uses and that is missing is an error.

    A value that is not `Markup` is escaped. No line of a template begins with one: there a dash would be a list.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,  # so that what a macro gives is not escaped once more
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"{template}.md").render(values)


def escaped(value: object) -> Markup:
    """A value as one line of text, none of whose signs Markdown, HTML or a table takes for its own."""
    if isinstance(value, Markup):
        return value
    text = one_line(str(value))
    signs = ("\\" + sign if sign in _BACKSLASHED else _ENTITIES.get(sign, sign) for sign in text)
    return Markup("".join(signs).replace("://", "&#58;//"))  # or it would become a link


def one_line(text: str) -> str:
    """The text with white space as single spaces, and what cannot be printed, or encoded, written out as `\\x1b`."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in " ".join(text.split()))


def fenced(text: str, language: str = "") -> Markup:
    """A block of code that nothing in it can end."""
    lines = ["".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line) for line in text.split("\n")]
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup("\n".join([fence + language, *lines, fence]))
