"""Files in, probabilities out, one for one and in the same order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from bluebird.bundle import Bundle
from bluebird.errors import UnreadablePictureError
from bluebird.pixels.decode import decode
from bluebird.pixels.transforms import eval_transform, squeeze

_T = TypeVar("_T")
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one file: `probs` (K,) float32 on the CPU, or else `error`, the reason why not."""

    path: Path
    probs: Tensor | None = None
    error: str | None = None


def scan(
    model: Bundle,
    paths: Iterable[Path],
    *,
    batch_size: int = 64,
    num_threads: int = 2,
    device: torch.device = _CPU,
) -> Iterator[Prediction]:
    """Yield one `Prediction` for each path, in the order of `paths`.

    Decoding runs ahead in threads while the network works, by two batches at most, so memory does not
    grow with the number of paths. A file that cannot be read is a prediction with its error.
    """
    network = model.network.to(device).eval()
    preprocessing = model.preprocessing
    normalise = eval_transform(preprocessing.mean, preprocessing.std)
    for batch in _batches(_decoded(paths, preprocessing.image_size, num_threads, 2 * batch_size), batch_size):
        readable = [pixels for _, pixels in batch if isinstance(pixels, Tensor)]
        probs = iter(_probs(network, normalise, readable, device) if readable else ())
        for path, pixels in batch:
            if isinstance(pixels, Tensor):
                yield Prediction(path, probs=next(probs))
            else:
                yield Prediction(path, error=pixels.reason)


@torch.inference_mode()
def _probs(network: nn.Module, normalise: nn.Module, squares: list[Tensor], device: torch.device) -> Tensor:
    """Squares uint8 (3, S, S) to probabilities float32 (N, K) on the CPU."""
    images = normalise(torch.stack(squares).to(device, memory_format=torch.channels_last))
    probs: Tensor = network(images)
    return probs.float().cpu()


def _decoded(
    paths: Iterable[Path], image_size: int, num_threads: int, ahead: int
) -> Iterator[tuple[Path, Tensor | UnreadablePictureError]]:
    """Squares uint8 (3, S, S), or what was wrong, in order, decoded up to `ahead` in advance."""
    queue: deque[tuple[Path, Future[Tensor | UnreadablePictureError]]] = deque()
    remaining = iter(paths)
    pool = ThreadPoolExecutor(num_threads)
    try:
        queue.extend((path, pool.submit(_decode_or_error, path, image_size)) for path in islice(remaining, ahead))
        while queue:
            path, future = queue.popleft()
            pixels = future.result()
            queue.extend((path, pool.submit(_decode_or_error, path, image_size)) for path in islice(remaining, 1))
            yield path, pixels
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_or_error(path: Path, image_size: int) -> Tensor | UnreadablePictureError:
    try:
        return squeeze(decode(path), image_size)
    except UnreadablePictureError as error:
        return error


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
