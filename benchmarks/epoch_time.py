"""Seconds per epoch of a small CNN on photos: Bluebird's data side against ImageFolder + DataLoader.

    python benchmarks/epoch_time.py FOLDER            (class folders of photos)

Both sides train the same network with the same optimiser and the same kinds of augmentation at 64 px in
a bare loop, so that only data and memory layout differ. `plain` is what a torchvision tutorial does:
ImageFolder, per-picture transforms, DataLoader with 2 workers. `bluebird` decodes once, then maps bytes
and varies whole batches. The first epoch, in which Bluebird decodes, is told apart. They take turns.
"""

from __future__ import annotations

import argparse
import statistics
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

from bluebird.nets import CNN
from bluebird.pixels.cache import load_pictures
from bluebird.pixels.dataset import EpochShuffle, PictureDataset
from bluebird.pixels.transforms import Augment, train_transform

SIZE, BATCH = 64, 128
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
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


def trainer(batches: Batches, memory_format: torch.memory_format, num_classes: int) -> Callable[[], float]:
    """A function that trains one epoch and returns its seconds."""
    torch.manual_seed(0)
    network = CNN(num_classes, SIZE).to(memory_format=memory_format).train()
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    num_classes = len(ImageFolder(options.folder).classes)
    contiguous, channels_last = torch.contiguous_format, torch.channels_last
    with tempfile.TemporaryDirectory() as cache:
        sides = {
            "plain": trainer(plain(options.folder), contiguous, num_classes),
            "bluebird, same layout": trainer(Bluebird(options.folder, Path(cache) / "a"), contiguous, num_classes),
            "bluebird": trainer(Bluebird(options.folder, Path(cache) / "b"), channels_last, num_classes),
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(options.epochs):
            for name, epoch in sides.items():
                seconds[name].append(epoch())
            print(f"epoch {number + 1}: " + ", ".join(f"{n} {s[-1]:.2f} s" for n, s in seconds.items()), flush=True)
    base = statistics.median(seconds["plain"][1:])
    for name, values in seconds.items():
        later = statistics.median(values[1:])
        print(f"{name:<22} first {values[0]:6.2f} s, later {later:6.2f} s, plain / this: {base / later:.2f}")


if __name__ == "__main__":
    main()
