"""What a search costs beside its limit: pictures per second, decoding and network each alone, and both together.

    python benchmarks/search.py PHOTOS [--network resnet18] [--engine openvino] [--rounds 5]

The limit is that of cores on which nothing is lost: 1 / (1 / decode + 1 / forward), decoding alone and the
forward pass alone measured in the same run, each on all cores. The search also lists the folder and keeps its
ledger. Start-up is left out everywhere; `search_peers.py` compares whole processes, `search_scale.py` large numbers.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from peers.prepare import CLASSES

from bluebird.bundle import Bundle, Preprocessing, save_bundle
from bluebird.cli.memory import keep_freed_memory
from bluebird.engines import ENGINES, cores
from bluebird.engines.engine import Engine
from bluebird.engines.export import export
from bluebird.engines.opened import open_engine
from bluebird.nets import CNN, Backbone, Network
from bluebird.search.batch_size import BatchSize
from bluebird.search.ledger import Ledger
from bluebird.search.pool import DecodePool
from bluebird.search.scan import Scan
from bluebird.search.sources import open_source
from bluebird.search.streams import in_streams

NETWORKS: dict[str, tuple[int, Callable[[], Network]]] = {
    "cnn": (64, lambda: CNN(10, 64)),
    "mobilenet_v3_small": (224, lambda: Backbone(10, 224, "mobilenet_v3_small")),
    "resnet18": (224, lambda: Backbone(10, 224, "resnet18")),
}


def bundle_of(network: str) -> Bundle:
    torch.manual_seed(0)
    side, make = NETWORKS[network]
    return Bundle(make().eval(), CLASSES, Preprocessing(side, [0.5] * 3, [0.25] * 3))


def engine_of(model: Bundle, name: str, folder: Path) -> Engine:
    save_bundle(model, folder)
    if name != "torch":
        side = model.preprocessing.image_size
        export(model, name, folder, torch.randint(0, 256, (32, 3, side, side), dtype=torch.uint8))
    return open_engine(model, folder, name)[0]


def per_second(count: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


class Side:
    """The three things that are timed, each returning pictures per second."""

    def __init__(self, folder: Path, image_size: int, engine: Engine) -> None:
        self.folder, self.image_size, self.engine = folder, image_size, engine
        self.names = [file.name for file in open_source(str(folder)) if not file.skipped]
        self.batch_size = BatchSize()

    def decode(self) -> float:
        with self._workers() as pool:
            return per_second(len(self.names), lambda: list(pool.decode_batches(self.names, repeat(16))))

    def forward(self) -> float:
        size = self.batch_size.best
        pixels = torch.randint(0, 256, (size, 3, self.image_size, self.image_size), dtype=torch.uint8)
        passes = max(4 * self.engine.streams, len(self.names) // size)
        return per_second(size * passes, lambda: self._ask(repeat(pixels, passes)))

    def search(self) -> float:
        source = open_source(str(self.folder))
        out = tempfile.TemporaryDirectory()
        with out, self._workers() as pool, Ledger(Path(out.name), str(self.folder), "model", CLASSES) as ledger:
            scan = Scan(source, ledger, pool, self.engine, batch_size=self.batch_size)
            return per_second(len(self.names), scan.run)

    def _ask(self, batches: repeat[torch.Tensor]) -> None:
        for _ in in_streams(self.engine.ask, batches, self.engine.streams, self.engine.enter_thread):
            pass

    @contextmanager
    def _workers(self) -> Iterator[DecodePool]:
        with DecodePool(open_source(str(self.folder)), self.image_size, cores()) as pool:
            list(pool.decode(self.names[:64]))  # until they are up
            yield pool


def speed(folder: Path, network: str, engine: str, rounds: int) -> None:
    place = tempfile.TemporaryDirectory()
    with place:
        side = Side(folder, NETWORKS[network][0], engine_of(bundle_of(network), engine, Path(place.name)))
        side.search()  # tries the batch sizes
        rates: dict[str, list[float]] = {"decode": [], "forward": [], "search": []}
        for number in range(rounds):
            for name in list(rates)[:: 1 if number % 2 else -1]:
                rates[name].append(getattr(side, name)())
    columns = "".join(f"{statistics.median(values):>9,.0f}" for values in rates.values())
    limits = [s * (1 / d + 1 / f) for d, f, s in zip(*rates.values(), strict=True)]
    what = f"{network:<20}{NETWORKS[network][0]:>4} px  {engine:<14}{side.batch_size.best:>6}"
    print(f"{what}{columns}{statistics.median(limits):>8.2f}  ({min(limits):.2f} to {max(limits):.2f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of pictures")
    parser.add_argument("--network", choices=NETWORKS, action="append", help="default: each in turn")
    parser.add_argument("--engine", choices=ENGINES, default="torch")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    keep_freed_memory()
    print(f"{cores()} cores, torch {torch.__version__}; pictures a second, medians of {options.rounds} rounds")
    print(f"{'network':<29}{'engine':<15}{'batch':>6}{'decode':>9}{'forward':>9}{'search':>9}  of the limit")
    for network in options.network or NETWORKS:
        speed(options.photos, network, options.engine, options.rounds)


if __name__ == "__main__":
    main()
