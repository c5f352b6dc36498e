"""Seconds per epoch of a small CNN on photos: Bluebird's data side against ImageFolder + DataLoader.

    python benchmarks/epoch_time.py FOLDER            (class folders of photos)

All sides train the same network with the same optimiser and the same kinds of augmentation at 64 px in a
bare loop; each in processes of its own, which take turns.

    plain       what a tutorial does: ImageFolder, per-picture transforms, DataLoader with 2 workers
    data only   Bluebird's data side: decoded once, then mapped bytes, whole batches varied at once
    bluebird    also its order of channels in memory and its way with freed memory
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from bluebird.cli.memory import keep_freed_memory
from bluebird.nets import CNN
from bluebird.pixels.cache import load_pictures
from bluebird.pixels.dataset import EpochShuffle, PictureDataset
from bluebird.pixels.transforms import Augment, train_transform

SIZE, BATCH = 64, 128
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIDES = ("plain", "data only", "bluebird")
Batches = Iterable[tuple[Tensor, Tensor]]


def plain(root: Path) -> Batches:
    transform = v2.Compose([
        v2.PILToTensor(), v2.Resize((SIZE, SIZE), antialias=True), v2.RandomHorizontalFlip(),
        v2.RandomAffine(0, translate=(0.1, 0.1), scale=(1.0, 1.25)),
        v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD),
    ])  # fmt: skip
    dataset = ImageFolder(root, transform)
    return DataLoader(dataset, BATCH, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True)


class Bluebird:
    """Bluebird's batches for a bare loop, from a cache that is empty at first."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.samples = ImageFolder(root).samples
        self.cache = cache
        self.transform = train_transform(MEAN, STD, Augment(flip=True, shift=0.1, zoom=0.2))

    def __iter__(self):  # type: ignore[no-untyped-def]
        pixels = load_pictures([Path(path) for path, _ in self.samples], SIZE, self.cache).pixels
        targets = torch.tensor([target for _, target in self.samples])
        dataset = PictureDataset(pixels, torch.arange(len(targets)), targets)
        shuffle = EpochShuffle(len(targets), seed=0)
        for images, labels in DataLoader(dataset, BATCH, sampler=shuffle, drop_last=True, collate_fn=lambda b: b):
            yield self.transform(images), labels


NETWORKS = {
    "small": {"stem": 8, "widths": (16, 32, 64), "blocks": (0, 0, 0)},
    "default": {},
}


def trainer(
    batches: Batches, memory_format: torch.memory_format, num_classes: int, network_name: str
) -> Callable[[], float]:
    """A function that trains one epoch and returns its seconds."""
    torch.manual_seed(0)
    network = CNN(num_classes, SIZE, **NETWORKS[network_name]).to(memory_format=memory_format).train()
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


def run_side(side: str, root: Path, epochs: int, network: str) -> None:
    """Print the seconds of each epoch of one side, in a process of its own."""
    if side == "bluebird":
        keep_freed_memory()
    memory_format = torch.channels_last if side == "bluebird" else torch.contiguous_format
    with tempfile.TemporaryDirectory() as cache:
        batches = plain(root) if side == "plain" else Bluebird(root, Path(cache))
        epoch = trainer(batches, memory_format, len(ImageFolder(root).classes), network)
        print(*(f"{epoch():.3f}" for _ in range(epochs)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--epochs", type=int, default=3, help="of each side in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", choices=NETWORKS, default="small", help="default: that of configs/cnn.yaml")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, options.folder, options.epochs, options.network)
        return
    first: dict[str, list[float]] = {side: [] for side in SIDES}
    later: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(options.rounds):
        for side in SIDES:
            command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            begin, *rest = map(float, answer.split())
            first[side].append(begin)
            later[side] += rest
            print(f"round {number + 1}: {side:<12} {answer.strip()}", flush=True)
    base = statistics.median(later["plain"])
    for side in SIDES:
        median = statistics.median(later[side])
        print(f"{side:<12} first epoch {statistics.median(first[side]):6.2f} s, later {median:6.2f} s, "
              f"plain / this: {base / median:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
