"""Fills the templates of this folder, whose pages hold no script and allow themselves no more than style and pictures;
and what the pages of the search, which have scripts, share with them."""

from __future__ import annotations

import hashlib
import io
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Picture:
    """Something to look at: `source` is a data URL, `alt` says what it shows to whoever cannot see it."""

    source: str
    alt: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as they are to be read; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def drawn(figure: Figure, alt: str, caption: str = "") -> Picture:
    """A plot as SVG, sharp at any size; the same figure gives the same bytes."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "bluebird", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return Picture(_data_url("image/svg+xml", buffer.getvalue()), alt, caption)


def jpeg(data: bytes, alt: str, caption: str = "") -> Picture:
    """A photo, given as the bytes of a JPEG file."""
    return Picture(_data_url("image/jpeg", data), alt, caption)


def render(template: str, **values: Any) -> str:
    """The page that a template of this folder gives, with all that comes from a user escaped.

    Args:
        template: its name without the ending; it extends `base.html`, which takes `title`.
        values: whatever it uses; one that is missing is an error.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = house_style() + _style("page.css")
    return environment.get_template(f"{template}.html").render(values, style=style, policy=policy(style))


def house_style() -> str:
    """Colours, type and the like that all pages share, as CSS."""
    return _style("house.css")


def _style(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def policy(style: str, script: str = "") -> str:
    """The Content-Security-Policy of a page: its own style, its own script if any, the pictures inside, nothing else.

    Hashes name the one style and the one script, so nothing that came in with a name can add another.
    """
    scripts = f"script-src {_hash(script)}; " if script else ""
    return f"default-src 'none'; img-src data:; style-src {_hash(style)}; {scripts}base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    """How a Content-Security-Policy calls an inline block."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def json_block(kind: str, data: object) -> str:
    """A block of JSON in which nothing can end the block: ASCII only, and no bracket of HTML."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" class="{kind}">{text}</script>\n'


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"
