"""What a source says of a file that it cannot read."""

from __future__ import annotations

import pytest

from bluebird.errors import UnreadablePictureError
from bluebird.search.found import Source


def reason(source: Source, name: str) -> str:
    """Why this file cannot be read: one line, about the file of this name."""
    with pytest.raises(UnreadablePictureError) as caught:
        source.read(name)
    assert caught.value.path == name
    assert "\n" not in caught.value.reason
    return caught.value.reason
