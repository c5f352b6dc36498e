"""Photos, networks and weights on which both sides are to agree."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models

from bluebird import nets
from bluebird.bundle import Bundle, Preprocessing, save_bundle
from bluebird.nets import Network
from bluebird.pixels.quick import shrink
from bluebird.pixels.transforms import eval_transform

CLASSES = tuple(f"class {number}" for number in range(10))
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
LOOKS = 128  # photos from which batch norm takes its statistics


def copy_photos(source: Path, folder: Path, count: int) -> int:
    """Copy `count` photos, spread over all of `source`, into one flat folder; how many there were.

    No two are alike, for Bluebird would know a copy by its content and not decode it again.
    """
    folder.mkdir()
    unlike = {hashlib.sha256(path.read_bytes()).digest(): path for path in sorted(source.rglob("*.jpg"))}
    paths = list(unlike.values())
    taken = [paths[place * len(paths) // min(count, len(paths))] for place in range(min(count, len(paths)))]
    for number, path in enumerate(taken):
        shutil.copyfile(path, folder / f"{number:05d}.jpg")
    return len(taken)


def multiply_photos(source: Path, folder: Path, count: int) -> int:
    """Copies of the photos of `source` in turn, `count` files, each with a tail of its own behind the picture."""
    folder.mkdir()
    for number, path in enumerate(islice(cycle(sorted(source.glob("*.jpg"))), count)):
        (folder / f"{number:05d}.jpg").write_bytes(path.read_bytes() + number.to_bytes(4, "big"))
    return count


def write_network(name: str, image_size: int, photos: Path, folder: Path) -> None:
    """Write a network with random weights twice into `folder`: as `bundle`, and as `weights` for the peers.

    Args:
        name: "CNN", Bluebird's own, whose `weights` are TorchScript; or a name of torchvision's: its state dict.
    """
    torch.manual_seed(0)
    preprocessing = Preprocessing(image_size, MEAN, STD)
    network: Network = nets.CNN(10, image_size) if name == "CNN" else nets.Backbone(10, image_size, name)
    images = eval_transform(MEAN, STD)(torch.stack(list(_squares(photos, image_size))))
    _settle(network, images)
    save_bundle(Bundle(network, CLASSES, preprocessing), folder / "bundle")
    if isinstance(network, nets.Backbone):
        torch.save(_state(network, name), folder / "weights")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # TorchScript is old, and all that the peers can read
            torch.jit.trace(_Logits(network), images[:2]).save(folder / "weights")


def _squares(photos: Path, image_size: int) -> Iterator[Tensor]:
    for path in islice(sorted(photos.iterdir()), LOOKS):
        yield shrink(path.read_bytes(), path, image_size).pixels


@torch.no_grad()
def _settle(network: Network, images: Tensor) -> None:
    """Make random weights tell photos apart: batch norm as after a training, logits that spread."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    network.train()
    for batch in images.split(32):
        network(batch)
    network.eval()
    logits = torch.cat([network.logits(batch) for batch in images.split(32)])
    head = network.head
    assert isinstance(head, nn.Linear)
    head.weight.mul_(2 / logits.std(0)[:, None])
    head.bias.copy_((head.bias - logits.mean(0)) * 2 / logits.std(0))


def _state(network: nets.Backbone, name: str) -> dict[str, Tensor]:
    """The weights by torchvision's names, whose last layer is the house's head."""
    body, head = network.body.state_dict(), list(network.head.state_dict().values())
    keys = models.get_model(name, weights=None).state_dict()
    missing = iter(head)  # weight, then bias, as there
    return {key: body[key] if key in body else next(missing) for key in keys}


class _Logits(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.logits(images)
