"""Features of pictures, asked of a network once and kept on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from tqdm import tqdm

from bluebird.engines.engine import AT_ONCE, Engine, Fetch
from bluebird.errors import OutputError
from bluebird.files import write_whole


@dataclass(frozen=True)
class Features:
    """`values` float32 (N, F), what the last layer decides on, and `targets` int64 (N,)."""

    values: Tensor
    targets: Tensor


def features_of(engine: Engine, pictures: Fetch, targets: Tensor, kept: Path, key: Sequence[str]) -> Features:
    """Features of N pictures, from the file of an earlier run where there is one.

    Args:
        engine: asks the network.
        pictures: by their numbers from 0.
        targets: int64 (N,).
        kept: folder of such files.
        key: all that decides on them: the network's fingerprint, and the pictures' digests in their order.

    Raises:
        OutputError: the file cannot be written.
    """
    digest = hashlib.blake2b("\n".join(key).encode(), digest_size=16)
    file = kept / f"{digest.hexdigest()}.safetensors"
    values = _read(file, len(targets))
    if values is None:
        values = _ask(engine, pictures, len(targets))
        _write(file, values)
    return Features(values, targets)


def _read(file: Path, count: int) -> Tensor | None:
    """The features that a file holds; None if it is not there, or is not whole."""
    try:
        values = load(file.read_bytes())["features"]
    except (OSError, SafetensorError, KeyError):
        return None
    with suppress(OSError):  # a cache that others filled and we only read
        os.utime(file)
    return values if len(values) == count else None


def _write(file: Path, values: Tensor) -> None:
    try:
        write_whole(file, save({"features": values}))
    except OutputError:
        if _read(file, len(values)) is None:  # another run was not quicker with the same
            raise


def _ask(engine: Engine, pictures: Fetch, count: int) -> Tensor:
    starts = range(0, count, AT_ONCE)
    parts = []
    with tqdm(total=count, desc="features", unit=" pictures", disable=None, leave=False) as bar:
        for start in starts:
            numbers = range(start, min(start + AT_ONCE, count))
            parts.append(engine.ask(pictures(numbers)).features)
            bar.update(len(numbers))
    return torch.cat(parts).float().contiguous()
