from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluebird.search.names import printable
from bluebird.search.results.find import best_classes


def _bytes_of(text: str) -> bytes:
    """The way back that `printable` promises."""
    return re.sub(rb"\\udc([0-9a-f]{2})", lambda mark: bytes.fromhex(mark[1].decode()), text.encode())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"a/b c.jpg", "a/b c.jpg"),
        ("Gr\u00fcn.jpg".encode(), "Gr\u00fcn.jpg"),
        (b"c\xff.jpg", r"c\udcff.jpg"),
        (rb"c\udcff.jpg", r"c\udc5cudcff.jpg"),
        (rb"back\slash", r"back\slash"),
    ],
)
def test_a_name_is_printable(name: bytes, text: str) -> None:
    assert printable(os.fsdecode(name)) == text


@given(st.one_of(st.binary(), st.text(alphabet="\\udcf5").map(str.encode)))
def test_a_printable_name_leads_back_to_its_bytes(name: bytes) -> None:
    assert _bytes_of(printable(name.decode("utf-8", "surrogateescape"))) == name


def test_equal_probabilities_come_in_the_order_of_the_classes() -> None:
    assert best_classes([0.2, 0.3, 0.3, 0.2], 3) == [1, 2, 0]
    assert best_classes([0.5, 0.5], 3) == [0, 1]
