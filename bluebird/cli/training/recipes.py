"""How a training begins: from whose weights, by which recipe, with which last layer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from bluebird.bundle import Bundle, Preprocessing, Validation
from bluebird.cli.training.devices import own_device
from bluebird.cli.training.mishaps import looking_in_a_line
from bluebird.cli.training.parser import TrainCLI
from bluebird.engines.engine import Engine
from bluebird.engines.opened import open_engine
from bluebird.errors import UsageError
from bluebird.nets import Backbone
from bluebird.nets.pretrained import load_pretrained
from bluebird.pixels.room import FEATURES
from bluebird.pixels.transforms import eval_transform
from bluebird.transfer import Features, Head, Recipe, choose_recipe, features_of, fit_head, fit_probe, prototypes


@dataclass(frozen=True)
class Start:
    """The recipe, what a person is told of how the training begins, and why this recipe where none was named."""

    recipe: Recipe
    notes: list[str]
    reasons: list[str] = field(default_factory=list)

    @property
    def first(self) -> dict[str, Any]:
        """Settings of the trainer by which what it begins with is validated, where that may be the best of it."""
        return {"num_sanity_val_steps": -1} if self.recipe == "fine_tune" else {}

    @property
    def trains(self) -> bool:
        """Whether the network goes on to learn, or is as it will be."""
        return self.recipe in ("scratch", "fine_tune")


def prepare(cli: TrainCLI, anew: bool) -> Start:
    """Choose the recipe that was asked for, or else the one that fits the data, and load the weights.

    Args:
        anew: the training begins; one that goes on has its weights from a checkpoint.

    Raises:
        UsageError: the recipe needs weights, and there are none.
        BundleError: the weights are not those of this network.
    """
    asked, weights = cli.config.recipe, cli.config.weights
    if asked not in ("auto", "scratch") and not weights:
        raise UsageError(f"--recipe {asked} begins with weights; name them with --weights FILE, or --weights hub")
    notes = [load_pretrained(cli.model.network, weights)] if weights and anew else []
    if asked == "auto":
        by_covariance = getattr(cli.model.network, "pool", None) is not None
        choice = choose_recipe(cli.datamodule.class_counts, bool(weights), by_covariance)
        return Start(choice.recipe, notes, [f"recipe {choice.recipe}: {choice.reason}"] if weights else [])
    return Start(asked, notes)


@looking_in_a_line()
def measure(cli: TrainCLI) -> None:
    """Let the network measure what it does not learn: show it pictures from all over the train split, as many as it
    wants to see."""
    network, data = cli.model.network, cli.datamodule
    train = data.datasets["train"]
    count = min(network.pictures_to_measure, len(train))
    if count:
        chosen = torch.linspace(0, len(train) - 1, count).round().int().tolist()
        look = eval_transform(data.mean, data.std)
        device = own_device(cli.config.trainer)
        network.to(device).measure(look(train.__getitems__(chosen)[0].to(device)))
        network.cpu()


def as_bundle(cli: TrainCLI) -> Bundle:
    """The network as it is, with all that belongs to it."""
    data = cli.datamodule
    preprocessing = Preprocessing(data.image_size, list(data.mean), list(data.std))
    return Bundle(cli.model.network, data.classes, preprocessing, data.fingerprint)


@dataclass(frozen=True)
class Found:
    """How a last layer was found without a training: what a person is told of it, and what finds it anew from the
    features of more pictures."""

    note: str
    anew: Callable[[Features], Head]


@looking_in_a_line()
def find_head(cli: TrainCLI, recipe: Recipe) -> Found | None:
    """Give the network the last layer that the recipe begins with, if any."""
    if recipe == "scratch":
        return None
    train, num_classes = features_of_splits(cli, ["train"]), len(cli.datamodule.classes)
    count = f"{len(train.values):,} pictures' features"
    if recipe == "few_shot":
        found = Found(
            f"the last layer is made of {count}, a prototype for each class",
            lambda features: prototypes(features, num_classes),
        )
        _give(cli.model.network, found.anew(train))
        return found
    probe = fit_probe(train, num_classes)
    _give(cli.model.network, probe.head)
    return Found(
        f"the last layer is fitted to {count}: {probe.best.accuracy:.1%} of them are right while they are held out, "
        f"at a weight decay of {probe.best.weight_decay:.2g}, the best of {len(probe.trials)}",
        lambda features: fit_head(features, num_classes, probe.best.weight_decay),
    )


@looking_in_a_line()
def learn_val_too(cli: TrainCLI, recipe: Recipe, found: Found | None) -> str | None:
    """Find the last layer anew from train and val together, where val was drawn by lot and has been judged by; what a
    person is told of it. A val split that came with the data is left alone.

    Args:
        found: how it was found the first time (default: is found out once more, by features that are kept).
    """
    if "val" not in cli.datamodule.drawn:
        return None
    found = found or find_head(cli, recipe)
    if not found:
        return None
    both = features_of_splits(cli, ["train", "val"])
    _give(cli.model.network, found.anew(both))
    return (
        f"once the val split had been judged by, the last layer was found anew from all {len(both.values):,} pictures "
        "of train and val"
    )


@looking_in_a_line()
def judge_by_features(cli: TrainCLI) -> Validation:
    """What the network, as it is, says of the val split, whose features are kept for what comes later."""
    seen = features_of_splits(cli, ["val"])
    return Validation(Head.of(_head(cli.model.network))(seen.values), seen.targets)


def features_of_splits(cli: TrainCLI, splits: Sequence[str]) -> Features:
    """Of the pictures of these splits, one after the other; each split is asked about once, and kept on disk."""
    model = as_bundle(cli)
    engine, _ = open_engine(model, Path(), "torch", own_device(cli.config.trainer))
    fingerprint = _fingerprint_without_head(model)
    parts = [_features_of(cli, split, engine, fingerprint) for split in splits]
    return Features(torch.cat([part.values for part in parts]), torch.cat([part.targets for part in parts]))


def _fingerprint_without_head(model: Bundle) -> str:
    """A digest of all that decides on the features, which are the same whatever is concluded from them."""
    arguments = {name: value for name, value in model.network.arguments.items() if name != "num_classes"}
    body = {name: tensor for name, tensor in model.network.state_dict().items() if not name.startswith("head.")}
    digest = hashlib.sha256(json.dumps([type(model.network).__name__, arguments], sort_keys=True).encode())
    digest.update(json.dumps(asdict(model.preprocessing), sort_keys=True).encode())
    digest.update(save({name: tensor.contiguous() for name, tensor in body.items()}))
    return digest.hexdigest()


def _features_of(cli: TrainCLI, split: str, engine: Engine, fingerprint: str) -> Features:
    data = cli.datamodule
    chosen = data.datasets[split]
    rows = chosen.rows.tolist()
    key = [fingerprint, *(data.digests[row] for row in rows)]
    return features_of(
        engine,
        lambda numbers: chosen.__getitems__(numbers)[0],
        chosen.targets[chosen.rows],
        data.cache_dir / FEATURES,
        key,
    )


def _give(network: nn.Module, head: Head) -> None:
    last = _head(network)
    with torch.no_grad():
        last.weight.copy_(head.weight)
        last.bias.copy_(head.bias)


def _head(network: nn.Module) -> nn.Linear:
    if not isinstance(network, Backbone):
        raise UsageError(f"--recipe: {type(network).__name__} has no last layer to be given")
    return network.head
