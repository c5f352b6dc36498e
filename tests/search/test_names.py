from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluebird.search.names import original, printable

MARKS = st.sampled_from(["\\", "\\udc", "\\udc5c", "\\udc80", "\\udcff", "udc5c", "\\\\", "\udc80", "\udcff"])
FROM_BYTES = st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape"))  # what a folder can hold
NAMES = st.lists(st.one_of(MARKS, FROM_BYTES, st.text(max_size=4)), max_size=6).map("".join)


@given(NAMES)
def test_a_name_comes_back_from_its_text(name: str) -> None:
    assert original(printable(name)) == name


@given(NAMES)
def test_any_encoding_of_unicode_can_hold_the_text(name: str) -> None:
    text = printable(name)
    assert text.encode("utf-8").decode("utf-8") == text


@given(NAMES, NAMES)
def test_different_names_never_have_one_text(one: str, other: str) -> None:
    assert (printable(one) == printable(other)) == (one == other)


@given(NAMES)
def test_replacing_each_mark_by_its_byte_gives_the_bytes_of_the_name(name: str) -> None:
    raw = re.sub(rb"\\udc([0-9a-f]{2})", lambda mark: bytes([int(mark[1], 16)]), printable(name).encode())
    assert raw == name.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a/blaumeise.jpg", "a/blaumeise.jpg"),
        ("a/möwe 鳥.jpg", "a/möwe 鳥.jpg"),
        ("m\udcf6we.jpg", "m\\udcf6we.jpg"),
        ("m\\udcf6we.jpg", "m\\udc5cudcf6we.jpg"),
        ("back\\slash", "back\\slash"),
        ("\\udc5c", "\\udc5cudc5c"),
        ("\\\udc80", "\\\\udc80"),
    ],
)
def test_what_needs_no_mark_gets_none(name: str, text: str) -> None:
    assert (printable(name), original(text)) == (text, name)
