"""What large numbers cost a search: memory, a second run, another target for a million rows, large photos.

python benchmarks/search_scale.py [--files 10000] [--rows 1000000] [--camera FOLDER]

memory      the greatest resident size of the whole command, with N painted files and with ten times as many
second run  the same folder again, unchanged: files a second
rows        a ledger of so many scored rows is ranked for another target than the one before
camera      large photos (copied, none equal to another) through decoding processes and through as many threads
            of Pillow's own decode and torchvision's resize
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from peers.prepare import CLASSES, multiply_photos
from PIL import Image

from bluebird.bundle import Bundle, Preprocessing, save_bundle
from bluebird.engines import cores
from bluebird.nets import CNN
from bluebird.pixels.decode import decode
from bluebird.pixels.squeeze import squeeze
from bluebird.search.ledger import Ledger
from bluebird.search.pool import DecodePool
from bluebird.search.rank import rank
from bluebird.search.row import Row
from bluebird.search.scan import chunks
from bluebird.search.sources import open_source


def paint_files(folder: Path, count: int) -> None:
    """Small pictures of noise, no two alike, in folders of 1,000."""
    for number in range(count):
        place = folder / f"{number // 1000:04d}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        Image.frombytes("RGB", (8, 8), number.to_bytes(192, "big")).save(place / f"{number:07d}.bmp")


def predict(model: Path, folder: Path, out: Path) -> tuple[float, float]:
    """Seconds and greatest resident MB of the command's own process."""
    command = [sys.executable, "-m", "bluebird", "predict", model, folder, "--target", "class 1", "--out", out]
    began = time.perf_counter()
    process = subprocess.Popen(map(str, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"predict ended with {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def memory_and_second_run(count: int) -> None:
    place = tempfile.TemporaryDirectory()
    with place:
        model, start = Path(place.name) / "model", Path(place.name) / "start"
        save_bundle(Bundle(CNN(10, 16).eval(), CLASSES, Preprocessing(16, [0.5] * 3, [0.25] * 3)), model)
        paint_files(start, 1)
        start_seconds, _ = predict(model, start, Path(place.name) / "start_out")
        for files in (count, 10 * count):
            folder, out = Path(place.name) / f"{files}", Path(place.name) / f"{files}_out"
            paint_files(folder, files)
            for run in ("first", "second"):
                seconds, megabytes = predict(model, folder, out)
                rate = files / max(seconds - start_seconds, 1e-9)
                speed = f"{run:<6} run {seconds:>7.1f} s  {rate:>8,.0f} a second"
                print(f"{files:>9,} files, {speed}  {megabytes:>6,.0f} MB", flush=True)


def rows_of(count: int) -> Iterator[Row]:
    draw = np.random.default_rng(0)
    for number in range(count):
        probs = draw.dirichlet([0.3] * 10).astype("<f4")
        name = f"{number // 1000:04d}/{number:07d}.jpg"
        yield Row(name, 1, number, "scored", "", number.to_bytes(16, "big"), 8, 8, 1, "", int(draw.integers(2**62)),
                  probs.tobytes(), float(probs[0]), 0.5)  # fmt: skip


def another_target(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as out, Ledger(Path(out), "/photos", "model", CLASSES) as ledger:
        ledger.aim([CLASSES[0]])
        for rows in chunks(rows_of(count), 1000):
            ledger.record(rows)
        seconds = []
        for number in range(rounds):
            began = time.perf_counter()
            results = rank(ledger, [CLASSES[1 + number % 9]])
            next(results.finds())
            seconds.append(time.perf_counter() - began)
    middle = statistics.median(seconds)
    print(f"{count:>9,} rows for another target {middle:.2f} s (of {rounds}: {min(seconds):.2f} to {max(seconds):.2f})")


def large_photos(camera: Path, rounds: int) -> None:
    place = tempfile.TemporaryDirectory()
    with place:
        folder = Path(place.name) / "photos"
        multiply_photos(camera, folder, 40)
        names = [file.name for file in open_source(str(folder))]
        ratios = [pooled(folder, names) / threaded(folder, names) for _ in range(rounds)]
    print(f"{len(names)} large photos to 224 px: {statistics.median(ratios):.2f} times as fast as by threads")


def pooled(folder: Path, names: list[str]) -> float:
    with DecodePool(open_source(str(folder)), 224, cores()) as pool:
        list(pool.decode(names[:4]))
        began = time.perf_counter()
        list(pool.decode_batches(names, repeat(16)))
        return len(names) / (time.perf_counter() - began)


def threaded(folder: Path, names: list[str]) -> float:
    with ThreadPoolExecutor(cores(), initializer=lambda: torch.set_num_threads(1)) as threads:
        began = time.perf_counter()
        list(threads.map(lambda name: squeeze(decode(folder / name), 224), names))
        return len(names) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000, help="N of the memory comparison; 0: without")
    parser.add_argument("--rows", type=int, default=1_000_000, help="0: without")
    parser.add_argument("--camera", type=Path, help="a folder of large JPEG files")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.camera:
        large_photos(options.camera, options.rounds)
    if options.rows:
        another_target(options.rows, options.rounds)
    if options.files:
        memory_and_second_run(options.files)


if __name__ == "__main__":
    main()
