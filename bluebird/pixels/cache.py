"""Decode each picture once: every file as one row of a memory-mapped array, kept for the next run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
import warnings
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from bluebird.errors import OutputError, UnreadablePictureError
from bluebird.pixels.decode import decode_bytes, read_file
from bluebird.pixels.room import bound_bytes, claim, hold, make_room
from bluebird.pixels.squeeze import squeeze

_VERSION = "1"  # raise it whenever decode or squeeze gives other pixels
_CHUNK = 32  # pictures a thread decodes before it writes


@dataclass(frozen=True)
class Pictures:
    """N decoded files.

    `pixels` is uint8 (N, S, S, 3), channels last, mapped from disk and not held in memory, to be read
    only; row i is meaningless where `failures` has i. `digests[i]` is the content's BLAKE2b, empty if unreadable.
    """

    pixels: Tensor
    digests: list[str]
    failures: dict[int, str]


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/bluebird`, or `~/.cache/bluebird`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bluebird"


def load_pictures(paths: Sequence[Path], image_size: int, cache_dir: Path, num_threads: int = 2) -> Pictures:
    """Decode `paths` to `image_size` px squares, or map them if an earlier run has.

    The cache knows a file by its path, size and time of change; changing any of them, or the list,
    decodes anew. It is written aside and renamed into place, so a killed run leaves nothing that
    looks whole, and two runs at once do not hurt each other. What was used longest ago makes room for
    what is new (`room.make_room`).

    Raises:
        OutputError: the cache cannot be written.
        UsageError: its bound is no number.
    """
    folder = cache_dir / _key(paths, image_size)
    try:
        while (held := hold(folder)) is None:
            _build(folder, paths, image_size, num_threads)
    except OSError as error:
        raise OutputError(
            f"{str(cache_dir)!r}: the picture cache cannot be written ({error.strerror}); it needs "
            f"{len(paths) * 3 * image_size**2 / 1e6:.0f} MB; name another place in $XDG_CACHE_HOME, or in training "
            "with --data.cache_dir"
        ) from error
    bound_bytes(cache_dir)  # a wrong one is said where nothing has to be decoded, too
    pictures = _map(folder, len(paths), image_size)
    weakref.finalize(pictures.pixels, held.close)
    return pictures


def _key(paths: Sequence[Path], image_size: int) -> str:
    digest = hashlib.blake2b(f"{_VERSION} {image_size}".encode(), digest_size=16)
    for path in paths:
        try:
            status = path.stat()
            stamp = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            stamp = "absent"
        digest.update(os.fsencode(path.absolute()) + f"\0{stamp}\0".encode())
    return digest.hexdigest()


def _map(folder: Path, count: int, image_size: int) -> Pictures:
    index = json.loads((folder / "index.json").read_text())
    shape = (count, image_size, image_size, 3)
    # To be read only: what might be written to, Linux maps no more of than it has memory for
    mapped = np.memmap(folder / "pixels.u8", np.uint8, "r", shape=shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has no tensor that cannot be written to, and says so
        pixels = torch.from_numpy(mapped)
    failures = {int(row): reason for row, reason in index["failures"].items()}
    return Pictures(pixels, index["digests"], failures)


def _build(folder: Path, paths: Sequence[Path], image_size: int, num_threads: int) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix="partial-", dir=folder.parent))
    try:
        with (aside / "pixels.u8").open("wb") as file:
            claim(file)
            digests, failures = _decode_all(paths, image_size, file, num_threads)
            index = {"digests": digests, "failures": failures}
            (aside / "index.json").write_text(json.dumps(index))  # while `aside` is ours, and fresh when it is not
        _put(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    make_room(folder.parent, folder)


def _put(aside: Path, folder: Path) -> None:
    try:
        aside.rename(folder)
    except OSError:  # another run was quicker; what it made is the same
        if not (folder / "index.json").is_file():
            raise


def _decode_all(
    paths: Sequence[Path], image_size: int, file: BinaryIO, num_threads: int
) -> tuple[list[str], dict[int, str]]:
    digests: list[str] = [""] * len(paths)
    failures: dict[int, str] = {}
    lock = threading.Lock()
    row_bytes = 3 * image_size * image_size
    file.truncate(len(paths) * row_bytes)

    def decode_chunk(start: int) -> int:
        rows = range(start, min(start + _CHUNK, len(paths)))
        block = bytearray(len(rows) * row_bytes)
        for slot, row in enumerate(rows):
            try:
                data = read_file(paths[row])
                pixels = squeeze(decode_bytes(data, paths[row]), image_size)
                block[slot * row_bytes : (slot + 1) * row_bytes] = pixels.permute(1, 2, 0).numpy().tobytes()
                digests[row] = hashlib.blake2b(data, digest_size=16).hexdigest()
            except UnreadablePictureError as error:
                failures[row] = error.reason
        with lock:
            file.seek(start * row_bytes)
            file.write(block)
        return len(rows)

    _run(decode_chunk, range(0, len(paths), _CHUNK), len(paths), num_threads)
    return digests, dict(sorted(failures.items()))


def _run(work, starts: range, total: int, num_threads: int) -> None:  # type: ignore[no-untyped-def]
    pool = ThreadPoolExecutor(num_threads)
    try:
        with tqdm(total=total, desc="decoding", unit=" pictures", disable=None, leave=False) as bar:
            for done in pool.map(work, starts):
                bar.update(done)
    finally:
        pool.shutdown(cancel_futures=True)
