"""How many photos of a species prototypes and the probe need: accuracy by photos per class.

    python benchmarks/few_shot.py PHOTOS WEIGHTS
    python benchmarks/few_shot.py PHOTOS WEIGHTS --same-padding --mean .5 .5 .5 --std .5 .5 .5

PHOTOS holds train/CLASS and test/CLASS; WEIGHTS is a state dict of torchvision's mobilenet_v2. Five draws of each
number of photos from the training split; the probe cross-validates its weight decay on these alone. Both with the
network's own pooling and with that by covariance, whose directions are those of one photo of each class.
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
from bluebird.pixels.transforms import eval_transform
from bluebird.transfer import Features, Head, features_of, fit_probe, prototypes

SHOTS, DRAWS = (1, 2, 3, 5, 10), 5
POOLINGS = ("as_built", "covariance")


def features(options: argparse.Namespace, pooling: str, kept: Path) -> dict[str, Features]:
    """Of each split, with the network as it came."""
    data = BirdData(options.photos, image_size=224, mean=options.mean, std=options.std)
    data.setup()
    padding = "same" if options.same_padding else "as_built"
    network = Backbone(len(data.classes), 224, "mobilenet_v2", padding=padding, pooling=pooling).eval()
    load_pretrained(network, options.weights)
    train = data.datasets["train"]
    one_each = train.__getitems__(few(train.targets[train.rows], 1, seed=0))[0]
    network.measure(eval_transform(options.mean, options.std)(one_each))
    engine, _ = open_engine(
        Bundle(network, data.classes, Preprocessing(224, options.mean, options.std)), Path(), "torch"
    )
    return {
        name: features_of(
            engine,
            lambda rows, split=split: split.__getitems__(rows)[0],
            split.targets[split.rows],
            kept,
            [pooling, name],
        )
        for name, split in data.datasets.items()
    }


def few(targets: Tensor, shots: int, seed: int) -> Tensor:
    """Numbers of so many of each class, drawn."""
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed))
    return torch.cat([order[targets[order] == label][:shots] for label in targets.unique()])


def accuracies(splits: dict[str, Features], shots: int) -> list[float]:
    """On test, of prototypes and of the probe: means of all draws."""
    train, test = splits["train"], splits["test"]
    num_classes = int(train.targets.max()) + 1
    rows = [few(train.targets, shots, seed) for seed in range(DRAWS)]
    drawn = [Features(train.values[some], train.targets[some]) for some in rows]
    ways = (
        [prototypes(one, num_classes) for one in drawn],
        [fit_probe(one, num_classes).head for one in drawn],
    )
    return [statistics.mean(right(head, test) for head in heads) for heads in ways]


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
        seen = [features(options, pooling, Path(folder)) for pooling in POOLINGS]
    print(f"{'':>6}" + "".join(f"{pooling:>22}" for pooling in POOLINGS))
    print(f"{'photos':>6}" + f"{'prototypes':>14}{'probe':>8}" * len(POOLINGS))
    for shots in SHOTS:
        found = [accuracies(splits, shots) for splits in seen]
        print(f"{shots:>6}" + "".join(f"{means[0]:>14.1%}{means[1]:>8.1%}" for means in found), flush=True)


if __name__ == "__main__":
    main()
