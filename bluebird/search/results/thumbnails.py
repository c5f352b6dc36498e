"""Small pictures of the finds, made as carefully as the scan reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bluebird.pixels.thumbnail import thumbnail
from bluebird.search.found import Source
from bluebird.search.pool import Decoded, DecodePool
from bluebird.search.results.page import Thumbnails

SIDE_PX = 224


@contextmanager
def thumbnails(source: Source, num_workers: int, timeout_seconds: float) -> Iterator[Thumbnails]:
    """What gives JPEGs of at most `SIDE_PX`, decoded in processes with the scan's limits of time and memory.

    A picture that was scored may be gone by now, hang its decoder, or lie so deep in a compressed archive that a page
    is not worth the way; there is None for it.
    """
    with DecodePool(source, SIDE_PX, num_workers, timeout_seconds, patient=False) as pool:

        def make(names: Sequence[str]) -> Iterator[bytes | None]:
            in_order = sorted(set(names))  # archives are read best in order
            made = {decoded.name: _jpeg(decoded) for decoded in pool.decode(in_order)}
            return map(made.__getitem__, names)

        yield make


def _jpeg(decoded: Decoded) -> bytes | None:
    return None if decoded.pixels is None or decoded.facts is None else thumbnail(decoded.pixels, decoded.facts)
