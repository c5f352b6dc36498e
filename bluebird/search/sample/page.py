"""The page on which a person says of each picture of a sample whether it shows the target.

Best and drawn ones stand in one random order, without score or name, so that nothing leads the eye; the drawn ones
keep their own order in it, so that whoever stops early has looked at a smaller sample. As on the WANTED page
everything is inside, and a Content-Security-Policy names the hashes of the page's own style and script.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from bluebird.files import whole
from bluebird.pages import house_style, json_block, policy
from bluebird.search.names import original, printable
from bluebird.search.results.cards import address
from bluebird.search.results.page import Thumbnails
from bluebird.search.sample.labels import Row
from bluebird.search.sample.plan import Plan


def write_page(plan: Plan, rows: Sequence[Row], base: Path, thumbnails: Thumbnails, command: str, path: Path) -> None:
    """Write the page.

    Args:
        plan: of the sample.
        rows: of the table, the best before the drawn ones.
        base: what the paths start from.
        thumbnails: is asked for all of them at once.
        command: what to do with the table that the page hands over.
        path: the HTML file.

    Raises:
        OutputError: it cannot be written.
    """
    values = {
        "target": printable(" or ".join(plan.target)),
        "command": printable(command),
        "count": f"{len(rows):,}",
        "plan": hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
    }
    page = {name: (files(__package__) / f"label.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
    style = house_style() + page["css"]
    escaped = {name: escape(value) for name, value in values.items()}
    blocks = {"policy": policy(style, page["js"]), "style": style, "script": page["js"]}
    text = Template(page["html"]).substitute(escaped, **blocks)
    top, middle, bottom = re.split("<!-- cards -->|<!-- rows -->", text)
    with whole(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(top)
        file.writelines(_cards(plan, [row[1] for row in rows], base, thumbnails))
        file.write(middle)
        file.write(json_block("rows", rows))
        file.write(bottom)


def mixed(best: int, drawn: int, seed: int) -> list[int]:
    """The places 0 to best + drawn in the order of the page."""
    lot = np.random.default_rng([seed, 1])  # apart from the lot of the sample
    is_best = lot.permutation(np.arange(best + drawn) < best)
    shuffled, in_order = iter(lot.permutation(best)), iter(range(best, best + drawn))
    return [int(next(shuffled if from_best else in_order)) for from_best in is_best]


def _cards(plan: Plan, paths: Sequence[str], base: Path, thumbnails: Thumbnails) -> Iterator[str]:
    names = [original(path) for path in paths]
    pictures = list(thumbnails(names))
    for number, place in enumerate(mixed(len(plan.best), len(plan.drawn), plan.seed), 1):
        yield _card(number, place, pictures[place], names[place], address(base / names[place]))


def _card(number: int, place: int, jpeg: bytes | None, name: str, href: str) -> str:
    if jpeg:
        seen = f'<img src="data:image/jpeg;base64,{b64encode(jpeg).decode()}" alt="Picture {number}">'
    else:
        seen = f"<p>no preview of <bdi>{escape(printable(name))}</bdi></p>"
    link = f'<a href="{escape(href)}" target="_blank">original</a>' if href else ""
    choices = "".join(
        f'<label><input type="radio" name="shows-{number}" value="{word}">{word}</label>' for word in ("yes", "no")
    )
    return (
        f'<li class="card" data-place="{place}"><div class="picture">{seen}</div>'
        f'<fieldset><legend class="unseen">Picture {number}</legend>{choices}{link}</fieldset></li>\n'
    )
