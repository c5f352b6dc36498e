"""Names of files as text that any encoding can hold, and back."""

from __future__ import annotations

import re


def printable(name: str) -> str:
    r"""A name as text that leads back to the very bytes of the name.

    A byte NN (hex) that is no UTF-8 becomes ``\udcNN``. A backslash that would look like the start of
    such a mark becomes ``\udc5c``. So replacing each ``\udcNN`` by its byte gives the name back.
    """
    marked = re.sub(r"\\(?=udc[0-9a-f]{2})", r"\\udc5c", name)
    return marked.encode("utf-8", "backslashreplace").decode("utf-8")


def original(text: str) -> str:
    """The name that `printable` made this text of."""
    return re.sub(r"\\udc([0-9a-f]{2})", _character, text)


def _character(mark: re.Match[str]) -> str:
    byte = int(mark[1], 16)
    return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
