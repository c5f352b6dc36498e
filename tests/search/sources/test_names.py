from __future__ import annotations

import pytest

from bluebird.search.sources.names import kind_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.zip", "archive"), ("A.ZIP", "archive"), ("a.tar", "archive"), ("a.tar.gz", "archive"), ("a.tgz", "archive"),
        ("a.Tar.Bz2", "archive"), ("a.tar.xz", "archive"), ("a.gz", ""), ("tar.gz", ""), ("zip", ""),
        ("a.mp4", "video"), ("a.MOV", "video"), ("a.avi", "video"), ("a.mkv", "video"), ("a.webm", "video"),
        ("a.m4v", "video"), ("a.mts", "video"), ("a.mp4.jpg", ""), ("a.jpg", ""), ("", ""), ("a.", ""),
    ],
)  # fmt: skip
def test_the_ending_tells_what_is_opened(name: str, kind: str) -> None:
    assert kind_of(name) == kind
