"""What can be wrong with one picture of a labelled set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bluebird.pixels.layout import Listing

Kind = Literal[
    "unreadable", "copy across splits", "copy across classes", "copy", "label", "tiny", "odd shape", "plain"
]  # fmt: skip

KINDS: dict[Kind, str] = {
    "unreadable": "cannot be read",
    "copy across splits": "show the same as a picture of another split",
    "copy across classes": "show the same as a picture of another class",
    "copy": "show the same as another of their class and split",
    "label": "may be labelled wrongly",
    "tiny": "are tiny",
    "odd shape": "are of extreme proportions",
    "plain": "show hardly an edge",
}
"""Each kind of problem, the gravest first, as the end of a sentence that begins with a number of pictures."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the picture of number `row` in the listing.

    Args:
        row: of the picture.
        kind: what is wrong.
        detail: the particulars, for the user to read.
        other: the row of the picture that it is a copy of.
        same_bytes: whether that copy is of the same bytes.
        suggestion: the class that it looks like.
    """

    row: int
    kind: Kind
    detail: str
    other: int | None = None
    same_bytes: bool = False
    suggestion: str = ""


def name(listing: Listing, row: int) -> str:
    """A picture's path from where the layout starts, as text that any encoding can hold."""
    path, base = listing.samples[row].path, listing.root.parent if listing.root.is_file() else listing.root
    inner = path.relative_to(base) if path.is_relative_to(base) else path
    return printable(inner.as_posix())


def where(listing: Listing, row: int) -> str:
    """The class of a picture, and its split where it has one."""
    sample = listing.samples[row]
    return f"{sample.label}, {sample.split}" if sample.split else sample.label


def printable(text: str | Path) -> str:
    r"""Text in which a byte NN that is no UTF-8 stands as ``\udcNN``."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")
