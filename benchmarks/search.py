"""What a search costs: pictures per second against its own limit and against a plain torchvision loader.

    python benchmarks/search.py PHOTOS [--image-size 64] [--rounds 5]

The limit is that of two cores on which nothing is lost: 1 / (1 / decode + 1 / forward), decoding alone
(two processes) and the forward pass alone (two threads) measured in the same run. The loader is the
loop that one would write: a data set that opens each file with Pillow, two workers, the same network.
Start-up is left out everywhere. Then, on painted files: a second run over an unchanged folder, and the
greatest memory of a search of N files against ten times as many.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from bluebird.bundle import Bundle, Preprocessing
from bluebird.cli.memory import keep_freed_memory
from bluebird.nets import CNN
from bluebird.search.engine import Engine
from bluebird.search.ledger import Ledger
from bluebird.search.pool import DecodePool
from bluebird.search.scan import Scan
from bluebird.search.sources import open_source

CLASSES = tuple(f"class {number}" for number in range(10))
BATCH = 64


def model(image_size: int) -> Bundle:
    torch.manual_seed(0)
    return Bundle(CNN(10, image_size).eval(), CLASSES, Preprocessing(image_size, [0.5] * 3, [0.25] * 3))


class Photos(Dataset[Tensor]):
    """Each file as the network wants it, by Pillow and torchvision."""

    def __init__(self, names: list[str], image_size: int) -> None:
        self.names = names
        self.transform = v2.Compose([
            v2.ToImage(), v2.Resize((image_size, image_size), antialias=True), v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.25] * 3),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        picture: Tensor = self.transform(Image.open(self.names[index]).convert("RGB"))
        return picture


def per_second(count: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def forward_alone(engine: Engine, image_size: int, batches: int) -> float:
    pixels = torch.randint(0, 256, (BATCH, 3, image_size, image_size), dtype=torch.uint8)
    engine.ask(pixels)
    return per_second(BATCH * batches, lambda: [engine.ask(pixels) for _ in range(batches)])


def decode_alone(folder: Path, names: list[str], image_size: int) -> float:
    with DecodePool(open_source(str(folder)), image_size) as pool:
        list(pool.decode(names[:32]))
        return per_second(len(names), lambda: [batch.pixels for batch in pool.decode_batches(names, BATCH)])


def whole_scan(folder: Path, count: int, bundle: Bundle) -> float:
    source, size = open_source(str(folder)), bundle.preprocessing.image_size
    out = tempfile.TemporaryDirectory()
    with out, DecodePool(source, size) as pool, Ledger(Path(out.name), str(folder), "model", CLASSES) as ledger:
        list(pool.decode([file.name for file in islice(source, 32)]))  # until the workers are up
        scan = Scan(source, ledger, pool, Engine(bundle, BATCH), [0])
        return per_second(count, scan.run)


def plain_loader(folder: Path, names: list[str], bundle: Bundle) -> float:
    size, network = bundle.preprocessing.image_size, bundle.network
    data = Photos([str(folder / name) for name in names], size)
    began = 0.0
    with torch.inference_mode():
        for number, images in enumerate(DataLoader(data, BATCH, num_workers=2)):
            network(images)
            if number == 0:  # from here on the workers are up
                began = time.perf_counter()
    return (len(names) - BATCH) / (time.perf_counter() - began)


def names_of(folder: Path) -> list[str]:
    return [file.name for file in open_source(str(folder)) if not file.skipped]


def speed(folder: Path, image_size: int, rounds: int) -> None:
    bundle, names = model(image_size), names_of(folder)
    sides: dict[str, list[float]] = {}
    for number in range(rounds):
        engine = Engine(bundle, BATCH)
        work = {
            "decode alone": lambda: decode_alone(folder, names, image_size),
            "forward alone": lambda: forward_alone(engine, image_size, max(5, len(names) // BATCH)),  # noqa: B023
            "search": lambda: whole_scan(folder, len(names), bundle),
            "plain loader": lambda: plain_loader(folder, names, bundle),
        }
        for name in list(work)[:: 1 if number % 2 else -1]:
            sides.setdefault(name, []).append(work[name]())
    print(f"{len(names):,} photos to {image_size} px, {rounds} rounds, torch {torch.__version__}")
    for name, values in sides.items():
        print(f"  {name:<14}{statistics.median(values):>9,.0f} pictures a second")
    rounds_ = list(zip(*(sides[n] for n in ("search", "decode alone", "forward alone", "plain loader")), strict=True))
    print(f"  of the limit  {statistics.median(s * (1 / d + 1 / f) for s, d, f, _ in rounds_):>9.2f}")
    print(f"  of the loader {statistics.median(s / p for s, _, _, p in rounds_):>9.2f}x")


def paint_files(folder: Path, count: int) -> None:
    """Small pictures of noise, no two alike, in folders of 1,000."""
    for number in range(count):
        place = folder / f"{number // 1000:04d}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        Image.frombytes("RGB", (8, 8), number.to_bytes(192, "big")).save(place / f"{number:07d}.bmp")


def second_run_and_memory(count: int) -> None:
    bundle = model(16)
    for files in (count, 10 * count):
        with tempfile.TemporaryDirectory() as place:
            folder, out = Path(place) / "pictures", Path(place) / "out"
            paint_files(folder, files)
            for run in ("first", "second"):
                Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here (Linux)
                source = open_source(str(folder))
                with DecodePool(source, 16) as pool, Ledger(out, str(folder), "model", CLASSES) as ledger:
                    rate = per_second(files, Scan(source, ledger, pool, Engine(bundle, BATCH), [0]).run)
                print(f"{files:>9,} files, {run:<7} run {rate:>9,.0f} files a second, peak {peak_megabytes():,.0f} MB")


def peak_megabytes() -> float:
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of JPEG files")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=10_000, help="N of the memory comparison; 0: without it")
    options = parser.parse_args()
    keep_freed_memory()
    speed(options.photos, options.image_size, options.rounds)
    if options.files:
        second_run_and_memory(options.files)


if __name__ == "__main__":
    main()
