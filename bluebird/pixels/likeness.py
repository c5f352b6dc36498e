"""Which pictures are copies of each other, by their difference hashes and their colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

ALIKE_BITS = 4
"""Difference hashes, of 64 bits, that differ in no more belong to the same picture, scaled or compressed anew."""

ALIKE_COLOURS = 0.92
"""Copies agree in where which colour is at least as well as this correlation says.

Hashes alone are not enough among tens of thousands: anything bright in the middle of a dark picture gives much the same
one. Of 60,000 pictures of CIFAR-10, 206 had a hash like that of another class, and none a correlation above 0.88.
"""

_EDGE_LEVELS, _EDGES = 2.0, 16
"""A picture that has fewer marked steps than this, of 64, is plain: noise alone decides on the rest of its hash."""

_GRID = 8

_ROWS = 16
"""Hashes that are compared with all others at a time: what they give stays in the processor's cache."""

Pairs: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def unsigned(hashes: Sequence[int]) -> NDArray[np.uint64]:
    """Hashes of 64 bits, signed as databases keep them or not, as numbers whose bits can be counted."""
    return np.array([dhash % 2**64 for dhash in hashes], np.uint64)


def alike(hashes: NDArray[np.uint64]) -> Iterator[Pairs]:
    """All pairs of N hashes at most `ALIKE_BITS` apart, in pieces that fit into memory however many there are.

    Each with each: N^2 / 2 comparisons, of which one core makes a billion a second (50,000 pictures: about one second).

    Yields:
        the numbers of the later, those of the earlier, and how many bits they differ in; all pairs of one later
        picture come in one piece, and pieces and pairs in the order of the later.
    """
    for start in range(0, len(hashes), _ROWS):
        stop = min(start + _ROWS, len(hashes))
        bits = np.bitwise_count(hashes[start:stop, None] ^ hashes[None, :stop])
        later, earlier = np.divmod(np.flatnonzero(bits <= ALIKE_BITS), stop)
        real = earlier < later + start
        later, earlier = later[real], earlier[real]
        if len(later):
            yield later + start, earlier, bits[later, earlier].astype(np.int64)


def colours(squares: Tensor) -> NDArray[np.float32]:
    """Where which colour is, (N, 192): the scalar product of two rows is the correlation of the pictures, -1 to 1.

    Of 8 x 8 fields in red, green and blue, from which brightness and contrast are taken out.

    Args:
        squares: uint8 (N, 3, S, S), as `quick.dhash` takes them.
    """
    from torch.nn import functional

    fields = functional.adaptive_avg_pool2d(squares.float(), _GRID).flatten(1)
    even = fields - fields.mean(1, keepdim=True)
    return functional.normalize(even).numpy()


def is_plain(squares: Tensor) -> list[bool]:
    """Whether a picture, a clear sky or a black frame, has too few edges for its hash to tell it from another.

    Args:
        squares: uint8 (N, 3, S, S), as `quick.dhash` takes them.
    """
    from torch.nn import functional

    tiny = functional.interpolate(squares.float(), size=(8, 9), mode="bilinear", antialias=True).mean(1)  # (N, 8, 9)
    marked = tiny.diff(dim=2).abs() >= _EDGE_LEVELS
    plain: list[bool] = (marked.sum((1, 2)) < _EDGES).tolist()
    return plain
