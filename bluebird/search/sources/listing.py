"""A list of paths as a source: a text file, a CSV table, standard input, or one file alone."""

from __future__ import annotations

import codecs
import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bluebird.errors import DataError
from bluebird.search.found import Found
from bluebird.search.sources.disk import found_file, is_link
from bluebird.search.sources.opened import container, outer_file, read_below
from bluebird.search.sources.own import OWN, Own

_COLUMNS = ("path", "file")


@dataclass(frozen=True, slots=True)
class ListSource:
    """The files of a list, each name once, in its order, whether they exist or not.

    Listed archives and videos are opened; names that a search gave (`a.zip!x.jpg`) can be listed too.

    Args:
        base: the folder that relative paths count from; absolute.
        names: paths as listed.
        every_seconds: from one frame of a video to the next.
        exclude: what the search writes to; its own files come skipped where they are listed.
    """

    base: Path
    names: tuple[str, ...]
    every_seconds: float
    exclude: tuple[Path, ...] = ()

    def __iter__(self) -> Iterator[Found]:
        seen = set()
        for found in self._all():
            if found.name not in seen:
                seen.add(found.name)
                yield found

    def read(self, name: str) -> bytes:
        return read_below(self.base, name)

    def _all(self) -> Iterator[Found]:
        own = Own(self.exclude)
        for name in self.names:
            path = self.base / name
            if outer := outer_file(self.base, name):
                yield found_file(outer.path, name)  # to the part, what happens to the whole
            elif source := container(path, name, self.every_seconds):
                yield from source
            elif own.has_file(str(path), is_link=is_link(path)):
                yield replace(found_file(path, name), skipped=OWN)
            else:
                yield found_file(path, name)


def read_text(path: Path) -> list[str]:
    """The lines of a text file that are not blank.

    Raises:
        DataError: it cannot be read.
    """
    return _lines(_decode(_bytes(path), path))


def read_csv(path: Path) -> list[str]:
    """The column `path` (or else `file`) of a CSV table; the first column where no such header is.

    Raises:
        DataError: it cannot be read.
    """
    rows = csv.reader(io.StringIO(_decode(_bytes(path), path), newline=""))
    try:
        return _column(row for row in rows if row)
    except csv.Error as error:
        raise DataError(f"{str(path)!r}, line {rows.line_num}: no CSV ({error}); repair it") from None


def read_stdin() -> list[str]:
    """The paths on standard input, each ended by a NUL byte where there is one, else by a new line."""
    data = sys.stdin.buffer.read() if sys.stdin else b""
    if b"\0" in data and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return [os.fsdecode(path) for path in data.split(b"\0") if path]
    return _lines(_decode(data, Path("standard input")))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{str(path)!r}: the list cannot be read ({error.strerror}); check its rights") from None


def _decode(data: bytes, path: Path) -> str:
    """UTF-8, where bytes of any other kind survive in paths; UTF-16 where it says so, as Windows writes it."""
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return data.decode("utf-16")
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r}: begins like UTF-16, but is not ({error.reason}); save it as UTF-8") from None
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def _lines(text: str) -> list[str]:
    lines = (line.removesuffix("\r") for line in text.split("\n"))  # not splitlines: names may hold a form feed
    return [line for line in lines if line.strip()]


def _column(rows: Iterable[list[str]]) -> list[str]:
    remaining = iter(rows)
    first = next(remaining, [])
    header = [cell.strip().lower() for cell in first]
    column = next((header.index(name) for name in _COLUMNS if name in header), None)
    paths = [first[0]] if first and column is None else []
    paths += [row[column or 0] if len(row) > (column or 0) else "" for row in remaining]
    return [path for path in paths if path.strip()]
