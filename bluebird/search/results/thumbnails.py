"""Small pictures of the finds, made as carefully as the scan reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bluebird.pixels.thumbnail import thumbnail
from bluebird.search.found import Source
from bluebird.search.pool import DecodePool
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
            for decoded in pool.decode(names):
                pixels, facts = decoded.pixels, decoded.facts
                yield None if pixels is None or facts is None else thumbnail(pixels, facts)

        yield make
