"""Seconds per epoch of a small CNN on photos: Bluebird's data side against ImageFolder + DataLoader.

    python benchmarks/epoch_time.py FOLDER            (class folders of photos)
    python benchmarks/epoch_time.py FOLDER --size 224 --network mobilenet_v3_small --batch 64

All sides train the same network with the same optimiser and the same kinds of augmentation in a bare loop; each in
processes of its own, which take turns. Beside the times stand the peak memory, that of the greatest worker added for
each of them, and the bytes of the cache on disk.

    plain       what a tutorial does: ImageFolder, per-picture transforms, DataLoader with 2 workers
    data only   Bluebird's data side: decoded once, then mapped bytes, whole batches varied at once
    bluebird    also its order of channels in memory and its way with freed memory
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from bluebird.cli.memory import keep_freed_memory
from bluebird.nets import CNN, Backbone, Network
from bluebird.pixels.cache import load_pictures
from bluebird.pixels.dataset import EpochShuffle, PictureDataset
from bluebird.pixels.transforms import Augment, train_transform

WORKERS = 2
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIDES = ("plain", "data only", "bluebird")
Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Job:
    """What is trained: `network` by name, on pictures of `size` px from the class folders in `root`."""

    root: Path
    network: str
    size: int
    batch: int

    def build(self) -> Network:
        num_classes = len(ImageFolder(self.root).classes)
        if self.network in CNNS:
            return CNN(num_classes, self.size, **CNNS[self.network])
        return Backbone(num_classes, self.size, self.network)


def plain(job: Job) -> Batches:
    transform = v2.Compose([
        v2.PILToTensor(), v2.Resize((job.size, job.size), antialias=True), v2.RandomHorizontalFlip(),
        v2.RandomAffine(0, translate=(0.1, 0.1), scale=(1.0, 1.25)),
        v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD),
    ])  # fmt: skip
    dataset = ImageFolder(job.root, transform)
    return DataLoader(dataset, job.batch, shuffle=True, drop_last=True, num_workers=WORKERS, persistent_workers=True)


class Bluebird:
    """Bluebird's batches for a bare loop, from a cache that is empty at first."""

    def __init__(self, job: Job, cache: Path) -> None:
        self.job, self.samples = job, ImageFolder(job.root).samples
        self.cache = cache
        self.transform = train_transform(MEAN, STD, Augment(flip=True, shift=0.1, zoom=0.2))

    def __iter__(self):  # type: ignore[no-untyped-def]
        pixels = load_pictures([Path(path) for path, _ in self.samples], self.job.size, self.cache).pixels
        targets = torch.tensor([target for _, target in self.samples])
        dataset = PictureDataset(pixels, torch.arange(len(targets)), targets)
        shuffle = EpochShuffle(len(targets), seed=0)
        for images, labels in DataLoader(
            dataset, self.job.batch, sampler=shuffle, drop_last=True, collate_fn=lambda b: b
        ):
            yield self.transform(images), labels


CNNS = {
    "small": {"stem": 8, "widths": (16, 32, 64), "blocks": (0, 0, 0)},
    "default": {},
}


def trainer(batches: Batches, memory_format: torch.memory_format, job: Job) -> Callable[[], float]:
    """A function that trains one epoch and returns its seconds."""
    torch.manual_seed(0)
    network = job.build().to(memory_format=memory_format).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def epoch() -> float:
        began = time.perf_counter()
        for images, targets in batches:
            images = images.contiguous(memory_format=memory_format)
            loss = functional.cross_entropy(network.logits(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return time.perf_counter() - began

    return epoch


def run_side(side: str, job: Job, epochs: int) -> None:
    """Print the seconds of each epoch of one side, and what it took, as JSON, in a process of its own."""
    if side == "bluebird":
        keep_freed_memory()
    memory_format = torch.channels_last if side == "bluebird" else torch.contiguous_format
    with tempfile.TemporaryDirectory() as cache:
        batches = plain(job) if side == "plain" else Bluebird(job, Path(cache))
        epoch = trainer(batches, memory_format, job)
        seconds = [round(epoch(), 3) for _ in range(epochs)]
        kept = sum(file.stat().st_size for file in Path(cache).rglob("*") if file.is_file())
        del batches, epoch  # its workers end and can be counted
    own, worker = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    peak = own + (WORKERS * worker if side == "plain" else 0)
    print(json.dumps({"seconds": seconds, "peak_mb": peak // 1024, "cache_mb": round(kept / 1e6)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--epochs", type=int, default=3, help="of each side in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", default="small", help="small, default (of configs/cnn.yaml), or torchvision's")
    parser.add_argument("--size", type=int, default=64, help="of the pictures in px (default: 64)")
    parser.add_argument("--batch", type=int, default=128, help="default: 128")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, Job(options.folder, options.network, options.size, options.batch), options.epochs)
        return
    first: dict[str, list[float]] = {side: [] for side in SIDES}
    later: dict[str, list[float]] = {side: [] for side in SIDES}
    took: dict[str, str] = {}
    for number in range(options.rounds):
        for side in SIDES:
            command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found = json.loads(answer)
            begin, *rest = found["seconds"]
            took[side] = f"peak {found['peak_mb']:,} MB, cache {found['cache_mb']:,} MB"
            first[side].append(begin)
            later[side] += rest
            print(f"round {number + 1}: {side:<12} {answer.strip()}", flush=True)
    base = statistics.median(later["plain"])
    for side in SIDES:
        median = statistics.median(later[side])
        print(f"{side:<12} first epoch {statistics.median(first[side]):6.2f} s, later {median:6.2f} s, "
              f"plain / this: {base / median:.2f}; {took[side]}")  # fmt: skip


if __name__ == "__main__":
    main()
