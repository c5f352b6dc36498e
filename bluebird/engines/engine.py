"""Asks a network about pictures so that the answer depends on the picture alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bluebird.errors import is_out_of_memory
from bluebird.nets.familiarity import familiarity, novelty

_ROWS, _LEAST = 8, 16
"""Every library computes 8 pictures alike, wherever they stand and however many such blocks there are; but not a block
that is alone, for which oneDNN has convolutions of its own."""

AT_ONCE = 16
"""As quick as 64 on a CPU, in a third of the memory: large pictures, mirrored, at several scales, take gigabytes."""

Fetch = Callable[[Sequence[int]], Tensor]
"""Gives uint8 (n, 3, S, S) of some pictures by their numbers."""


class Runtime(Protocol):
    """A network in the hands of one library.

    `streams` threads may call it at once, and should: each has called `enter_thread` before.
    """

    streams: int

    def enter_thread(self) -> None: ...

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities (N, K), logits (N, K) and features (N, F), float32, of pixels uint8 (N, 3, S, S)."""
        ...


@dataclass(frozen=True, slots=True)
class Answers:
    """What the network says of N pictures, on the CPU.

    Args:
        probs: float32 (N, K).
        logits: float32 (N, K), before the temperature.
        novelty: float32 (N,), the share of known pictures that look more familiar.
        features: float32 (N, F), what the last layer decides on.
    """

    probs: Tensor
    logits: Tensor
    novelty: Tensor
    features: Tensor


class Engine:
    """Asks `runtime`.

    A batch is filled up with black to a multiple of 8, and to 16 at least. On a CPU the arithmetic, and with it the
    last bit of a score, then depends on the picture alone: not on its place, nor on how many came with it. On other
    devices libraries may choose their way by the size of the batch, and the last digits follow.

    Args:
        runtime: computes.
        known: quantiles of familiarity, as `Bundle` has them; without them nothing is novel.
    """

    def __init__(self, runtime: Runtime, known: Sequence[float]) -> None:
        self.streams, self.enter_thread = runtime.streams, runtime.enter_thread
        self._runtime = runtime
        self._known = torch.tensor(known)

    def ask(self, pixels: Tensor) -> Answers:
        """Answers for pixels uint8 (N, 3, S, S).

        Half of them at a time where the device has no memory for all at once.
        """
        try:
            return self._ask(pixels)
        except (RuntimeError, MemoryError) as error:
            if len(pixels) <= _LEAST or not is_out_of_memory(error):
                raise
        halves = [self.ask(half) for half in pixels.tensor_split(2)]
        return Answers(*(torch.cat([getattr(half, name) for half in halves]) for name in Answers.__slots__))

    def _ask(self, pixels: Tensor) -> Answers:
        count = len(pixels)
        outputs = self._runtime(_filled_up(pixels))
        probs, logits, features = (output[:count] for output in outputs)
        strange = novelty(familiarity(logits), self._known) if len(self._known) else torch.zeros(count)
        return Answers(probs, logits, strange, features)


def _filled_up(pixels: Tensor) -> Tensor:
    """`pixels` and as many black pictures as are missing to a multiple of `_ROWS`, and to `_LEAST`."""
    missing = max(-len(pixels) % _ROWS, _LEAST - len(pixels))
    if not missing:
        return pixels
    filled = torch.zeros_like(pixels[:1].expand(len(pixels) + missing, -1, -1, -1), memory_format=torch.channels_last)
    filled[: len(pixels)] = pixels
    return filled
