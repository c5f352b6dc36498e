"""How many photos of a species prototypes and the probe need: accuracy by photos per class.

    python benchmarks/few_shot.py PHOTOS WEIGHTS
    python benchmarks/few_shot.py PHOTOS WEIGHTS --same-padding --mean .5 .5 .5 --std .5 .5 .5

PHOTOS holds train/CLASS and test/CLASS; WEIGHTS is a state dict of torchvision's mobilenet_v2. Five draws of each
number of photos from the training split; the probe cross-validates its weight decay on these alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor

from bluebird.bundle import Bundle, Preprocessing
from bluebird.engines.opened import open_engine
from bluebird.nets import Backbone
from bluebird.nets.pretrained import load_pretrained
from bluebird.pixels.datamodule import BirdData
from bluebird.transfer import Features, Head, features_of, fit_probe, prototypes

SHOTS, DRAWS = (1, 2, 3, 5, 10), 5


def features(options: argparse.Namespace, kept: Path) -> dict[str, Features]:
    """Of each split, with the network as it came."""
    data = BirdData(options.photos, image_size=224, mean=options.mean, std=options.std)
    data.setup()
    padding = "same" if options.same_padding else "as_built"
    network = Backbone(len(data.classes), 224, "mobilenet_v2", padding=padding).eval()
    load_pretrained(network, options.weights)
    engine, _ = open_engine(
        Bundle(network, data.classes, Preprocessing(224, options.mean, options.std)), Path(), "torch"
    )
    return {
        name: features_of(
            engine, lambda rows, split=split: split.__getitems__(rows)[0], split.targets[split.rows], kept, [name]
        )
        for name, split in data.datasets.items()
    }


def few(train: Features, shots: int, seed: int) -> Features:
    """So many of each class, drawn."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(train.targets), generator=generator)
    rows = torch.cat([order[train.targets[order] == label][:shots] for label in train.targets.unique()])
    return Features(train.values[rows], train.targets[rows])


def right(head: Head, test: Features) -> float:
    chosen: Tensor = head(test.values.double()).argmax(1)
    return float((chosen == test.targets).double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("weights", type=Path, metavar="WEIGHTS")
    parser.add_argument("--same-padding", action="store_true", help="the weights come from TensorFlow")
    parser.add_argument("--mean", type=float, nargs=3, default=[0.485, 0.456, 0.406], help="default: ImageNet's")
    parser.add_argument("--std", type=float, nargs=3, default=[0.229, 0.224, 0.225])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        splits = features(options, Path(folder))
    num_classes = int(splits["train"].targets.max()) + 1
    print(f"{'photos':>6}{'prototypes':>14}{'probe':>10}")
    for shots in SHOTS:
        drawn = [few(splits["train"], shots, seed) for seed in range(DRAWS)]
        ways = (
            [prototypes(train, num_classes) for train in drawn],
            [fit_probe(train, num_classes).head for train in drawn],
        )
        means = [statistics.mean(right(head, splits["test"]) for head in heads) for heads in ways]
        print(f"{shots:>6}{means[0]:>14.1%}{means[1]:>10.1%}", flush=True)


if __name__ == "__main__":
    main()
