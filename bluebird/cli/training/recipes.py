"""How a training begins: from whose weights, by which recipe, with which last layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from bluebird.bundle import Bundle, Preprocessing
from bluebird.cli.choose import choose_device
from bluebird.cli.training.parser import TrainCLI
from bluebird.engines.engine import Engine
from bluebird.engines.opened import open_engine
from bluebird.errors import UsageError
from bluebird.nets import Backbone
from bluebird.nets.pretrained import load_pretrained
from bluebird.pixels.transforms import eval_transform
from bluebird.transfer import Features, Head, Recipe, choose_recipe, features_of, fit_probe, prototypes


@dataclass(frozen=True)
class Start:
    """The recipe, what a person is told of how the training begins, and why this recipe where none was named."""

    recipe: Recipe
    notes: list[str]
    reasons: list[str] = field(default_factory=list)

    @property
    def trains(self) -> bool:
        """Whether the network goes on to learn, or is as it will be."""
        return self.recipe in ("scratch", "fine_tune")


def prepare(cli: TrainCLI, anew: bool) -> Start:
    """Choose the recipe that was asked for, or else the one that fits the data; load the weights, and let the network
    measure what it does not learn.

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
    if anew:
        _measure(cli)
    if asked == "auto":
        choice = choose_recipe(cli.datamodule.class_counts, bool(weights))
        return Start(choice.recipe, notes, [f"recipe {choice.recipe}: {choice.reason}"] if weights else [])
    return Start(asked, notes)


def _measure(cli: TrainCLI) -> None:
    """Show the network pictures from all over the train split, as many as it wants to see."""
    network, data = cli.model.network, cli.datamodule
    train = data.datasets["train"]
    count = min(network.pictures_to_measure, len(train))
    if count:
        chosen = torch.linspace(0, len(train) - 1, count).round().int().tolist()
        look = eval_transform(data.mean, data.std)
        device = _device(cli)
        network.to(device).measure(look(train.__getitems__(chosen)[0].to(device)))
        network.cpu()


def _device(cli: TrainCLI) -> torch.device:
    return choose_device("cpu" if cli.config.trainer.accelerator == "cpu" else "auto", "torch")


def as_bundle(cli: TrainCLI, metrics: dict[str, float] | None = None) -> Bundle:
    """The network as it is, with all that belongs to it."""
    data = cli.datamodule
    preprocessing = Preprocessing(data.image_size, list(data.mean), list(data.std))
    return Bundle(cli.model.network, data.classes, preprocessing, data.fingerprint, metrics or {})


def find_head(cli: TrainCLI, recipe: Recipe) -> list[str]:
    """Give the network the last layer that the recipe begins with, if any; what a person is told of it."""
    if recipe == "scratch":
        return []
    head, note = _head(cli, recipe, as_bundle(cli))
    _give(cli.model.network, head)
    return [note]


def _head(cli: TrainCLI, recipe: Recipe, model: Bundle) -> tuple[Head, str]:
    engine, fingerprint = open_engine(model, Path(), "torch", _device(cli))
    train = _features(cli, "train", engine, fingerprint)
    count = f"{len(train.values):,} pictures' features"
    if recipe == "few_shot":
        return prototypes(train, len(model.classes)), f"the last layer is made of {count}, a prototype for each class"
    probe = fit_probe(train, len(model.classes))
    return probe.head, (
        f"the last layer is fitted to {count}: {probe.best.accuracy:.1%} of them are right while they are held out, "
        f"at a weight decay of {probe.best.weight_decay:.2g}, the best of {len(probe.trials)}"
    )


def _features(cli: TrainCLI, split: str, engine: Engine, fingerprint: str) -> Features:
    data = cli.datamodule
    chosen = data.datasets[split]
    rows = chosen.rows.tolist()
    key = [fingerprint, *(data.digests[row] for row in rows)]
    return features_of(
        engine,
        lambda numbers: chosen.__getitems__(numbers)[0],
        chosen.targets[chosen.rows],
        data.cache_dir / "features",
        key,
    )


def _give(network: nn.Module, head: Head) -> None:
    if not isinstance(network, Backbone):
        raise UsageError(f"--recipe: {type(network).__name__} has no last layer to be given")
    with torch.no_grad():
        network.head.weight.copy_(head.weight)
        network.head.bias.copy_(head.bias)
