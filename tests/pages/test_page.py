from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from jinja2 import UndefinedError
from matplotlib.figure import Figure

from bluebird.pages import Picture, Table, drawn, jpeg, json_block, policy, render

HOSTILE = "</script><script>alert(1)</script> & <b>"
VALUES = {
    "title": HOSTILE,
    "lead": HOSTILE,
    "method": "Grad-CAM",
    "colours": "bright is much",
    "caution": "it can mislead",
    "legend": jpeg(b"legend", "legend"),
    "notes": [HOSTILE],
    "cards": [],
    "failures": Table(["file", "why"], [[HOSTILE, "broken"]]),
    "model": HOSTILE,
}


def test_nothing_that_comes_from_a_user_becomes_markup() -> None:
    page = render("explain", **VALUES)
    assert HOSTILE not in page
    assert "<script" not in page
    assert page.count("&lt;/script&gt;") >= 4


def test_a_value_that_is_missing_is_an_error_and_no_gap() -> None:
    with pytest.raises(UndefinedError):
        render("explain", **{name: value for name, value in VALUES.items() if name != "caution"})


def test_the_policy_of_a_page_names_the_style_that_is_in_it_and_no_script() -> None:
    page = render("explain", **VALUES)
    (style,) = re.findall("<style>(.*?)</style>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (said,) = re.findall('Content-Security-Policy" content="(.*?)"', page)
    assert f"sha256-{digest}" in said
    assert "script-src" not in said
    assert said.startswith("default-src &#39;none&#39;")


def test_a_script_is_allowed_by_its_hash_alone() -> None:
    digest = base64.b64encode(hashlib.sha256(b"go()").digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy("p {}", "go()")


def test_a_block_of_json_cannot_be_left() -> None:
    block = json_block("rows", [HOSTILE])
    assert block.count("<") == 2  # its own two brackets
    assert json.loads(block[block.index(">") + 1 : block.rindex("</script>")]) == [HOSTILE]


def test_a_number_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_block("rows", [float("nan")])


def test_the_same_plot_gives_the_same_bytes() -> None:
    def plot() -> Picture:
        figure = Figure()
        figure.add_subplot().plot([1, 3, 2])
        return drawn(figure, "a line")

    one = plot()
    assert one == plot()
    kind, _, data = one.source.partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert b"<svg" in base64.b64decode(data)
