from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from bluebird.search.results import Find
from bluebird.search.results.cards import Section, card, section
from tests.search.results.example import find, results


def _find(*probs: float, score: float | None = None) -> Find:
    return Find(1, "a.jpg", probs[0] if score is None else score, 0.0, probs, 1, 1)


@pytest.mark.parametrize(
    ("probs", "where"),
    [
        ((0.9, 0.1, 0.0), "finds"),
        ((0.5, 0.25, 0.25), "finds"),
        ((0.45, 0.40, 0.15), "lookalikes"),  # won narrowly
        ((0.3, 0.7, 0.0), "lookalikes"),  # came second
        ((0.2, 0.4, 0.4), None),  # came third
        ((0.01, 0.99, 0.0), None),  # came second, with next to nothing
    ],
)
def test_a_find_stands_where_its_rivals_put_it(probs: tuple[float, ...], where: Section | None) -> None:
    assert section(_find(*probs), frozenset([0])) == where


def test_two_targets_are_no_rivals() -> None:
    one = _find(0.4, 0.4, 0.2, score=0.8)
    assert section(one, frozenset([0, 1])) == "finds"


def test_every_class_may_be_a_target() -> None:
    assert section(_find(0.5, 0.5, score=1.0), frozenset([0, 1])) == "finds"


def test_a_plain_file_can_be_opened_from_its_card(tmp_path: Path) -> None:
    name = os.fsdecode(b'a ?#%"<\xc3\xa9.jpg')
    (tmp_path / name).touch()
    search = replace(results([]), root=str(tmp_path))
    href = card(find(1, name, 0.9), search)["href"]
    assert href.isascii()
    assert not set(href) & set(' ?#"<')
    assert unquote_to_bytes(href.removeprefix("file://")) == bytes(tmp_path / name)


def test_what_is_no_plain_file_has_no_address(tmp_path: Path) -> None:
    search = replace(results([]), root=str(tmp_path))
    for name in ("a.zip!x.jpg", "clip.mp4#t=1.0", "x" * 300):
        assert card(find(1, name, 0.9), search)["href"] == ""
