"""Small searches to write down."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from bluebird.search.results import Failure, Find, Results

CLASSES = ("bluebird", "blue jay", "wren", "owl")
HOSTILE = '</script><img src=x onerror="window.pwned=1">\u2028"\'&amp;${1}\u202e.jpg'


def find(rank: int, name: str, score: float, **more: object) -> Find:
    """A find of the first class; the rest of the probability falls to the others, the second the most."""
    rest = 1 - score
    values: dict[str, object] = {"novelty": 0.25, "probs": (score, 0.6 * rest, 0.3 * rest, 0.1 * rest)}
    values |= {"width": 640, "height": 480} | more
    return Find(rank, name, score, **values)  # type: ignore[arg-type]


def results(finds: Sequence[Find], failures: Sequence[Failure] = (), classes: tuple[str, ...] = CLASSES) -> Results:
    """A search for the first class."""
    failed = sum(failure.status == "failed" for failure in failures)
    counts = {"scored": len(finds), "failed": failed, "skipped": len(failures) - failed}
    return Results(
        root="/mountain",
        target=classes[:1],
        classes=classes,
        model="sha256:abc",
        finds=lambda: iter(finds),
        failures=lambda: iter(failures),
        **counts,
    )


def jpeg(colour: tuple[int, int, int] = (40, 80, 200), size: tuple[int, int] = (60, 45)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def pictures(names: Sequence[str]) -> list[bytes | None]:
    """The same small picture for each name, but none where the name says so."""
    return [None if "none" in name else jpeg() for name in names]
