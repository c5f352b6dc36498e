"""The WANTED page: the best finds of a search in one file that a browser opens from disk.

Everything is inside: style, script, data and pictures. The page allows itself nothing else (its
Content-Security-Policy names the hashes of its own style and script, and no place on the network), and
whatever comes from a user (names, classes, reasons) is either escaped into the HTML or goes through JSON and
`textContent`. The pictures lie in blocks of base64 text that the script turns into <img> when scrolled near.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from importlib.resources import files
from itertools import groupby, islice
from pathlib import Path
from string import Template
from typing import Any, TextIO
from urllib.parse import urlsplit, urlunsplit

from bluebird.files import whole
from bluebird.pages import house_style, json_block, policy
from bluebird.search.names import printable
from bluebird.search.results.cards import NOVEL, Section, card, section
from bluebird.search.results.find import Find, Results

Thumbnails = Callable[[Sequence[str]], Iterable[bytes | None]]
"""Gives, for some names of finds, small JPEGs (about 200 px) in their order; None where there can be none."""

_BINS = 50
_LOOKALIKES = 200
_SIBLINGS = 24
_FAILURES = 1000
_PICTURES_IN_A_BLOCK = 100
_SCRIPTS = ("cards.js", "keyboard.js", "view.js", "marks.js", "scores.js", "start.js")


def write_page(results: Results, path: Path, thumbnails: Thumbnails, limit: int = 2000) -> None:
    """Write the page.

    Args:
        results: all of it is gone through once, for the histogram of scores.
        path: the HTML file.
        thumbnails: is asked for those of about a hundred finds at a time.
        limit: how many pictures of finds are shown, siblings included, the best first; besides them at most
            200 look-alikes and 1,000 failures.

    Raises:
        OutputError: it cannot be written.
    """
    top, bottom = _template(results).split("<!-- data -->")
    with whole(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(top)
        summary = _Writer(results, file, thumbnails, limit).write_cards()
        file.write(json_block("summary", summary | _failures(results)))
        file.write(bottom)


@dataclass
class _Writer:
    results: Results
    file: TextIO
    thumbnails: Thumbnails
    limit: int
    cards: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Of the finds on `cards`, siblings included, whose pictures are still to come."""

    def write_cards(self) -> dict[str, Any]:
        """Write the finds as they come, then the look-alikes; what is left to tell is returned."""
        histogram = [0] * _BINS
        counts = {"finds": 0, "lookalikes": 0}
        lookalikes: list[tuple[list[Find], int]] = []
        targets = frozenset(map(self.results.classes.index, self.results.target))
        shown = 0
        for moment, more in _moments(_counted(self.results.finds(), histogram)):
            where = section(moment[0], targets)
            if where is None:
                continue
            counts[where] += 1
            if where == "finds" and shown < self.limit:
                shown += len(moment)
                self._add(where, moment, more)
            elif where == "lookalikes" and len(lookalikes) < _LOOKALIKES:
                lookalikes.append((moment, more))
        for moment, more in lookalikes:
            self._add("lookalikes", moment, more)
        self._flush()
        classes = [printable(name) for name in self.results.classes]
        return {"target": self.results.wanted, "classes": classes, "histogram": histogram, "novel": NOVEL} | counts

    def _add(self, where: Section, moment: list[Find], more: int) -> None:
        leader, *siblings = (card(find, self.results) for find in moment)
        self.cards.append({"section": where, "siblings": siblings, "more": more} | leader)
        self.names.extend(find.name for find in moment)
        if len(self.names) >= _PICTURES_IN_A_BLOCK:
            self._flush()

    def _flush(self) -> None:
        self.file.write(json_block("cards", self.cards))
        pictures = (b64encode(picture or b"").decode() for picture in self.thumbnails(self.names))
        self.file.write('<script type="text/plain" class="pictures">' + "\n".join(pictures) + "</script>\n")
        self.cards, self.names = [], []


def _counted(finds: Iterable[Find], histogram: list[int]) -> Iterator[Find]:
    for find in finds:
        histogram[min(int(find.score * _BINS), _BINS - 1)] += 1
        yield find


def _moments(finds: Iterable[Find]) -> Iterator[tuple[list[Find], int]]:
    """A leader with its first siblings, and how many more there are; a rank at a time."""
    for _, group in groupby(finds, key=lambda find: find.rank):
        members = iter(group)
        yield list(islice(members, 1 + _SIBLINGS)), sum(1 for _ in members)


def _failures(results: Results) -> dict[str, Any]:
    listed = islice(results.failures(), _FAILURES)
    rows = [[printable(failure.name), failure.status, printable(failure.reason)] for failure in listed]
    return {"failures": rows, "files_without_score": results.failed + results.skipped}


def _template(results: Results) -> str:
    folder = files(__package__) / "wanted"
    style = house_style() + (folder / "page.css").read_text(encoding="utf-8")
    script = '"use strict";\n' + "\n".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    values = {
        "target": results.wanted,
        "root": printable(without_secrets(results.root)),
        "model": printable(results.model),
        "posted": f"{datetime.now():%Y-%m-%d %H:%M}",
        **{name: f"{getattr(results, name):,}" for name in ("scored", "failed", "skipped")},
    }
    page = Template((folder / "page.html").read_text(encoding="utf-8"))
    blocks = {"policy": policy(style, script), "style": style, "script": script}
    return page.substitute({k: escape(v) for k, v in values.items()}, **blocks)


def without_secrets(root: str) -> str:
    """A URL without name, password and query, which may be a key, for a page is made to be shown; a path as it is."""
    if "://" not in root:
        return root
    parts = urlsplit(root)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
