"""How a training begins: from whose weights, by which recipe, with which last layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from bluebird.bundle import Bundle
from bluebird.cli.parser import TrainCLI
from bluebird.cli.predict_options import choose_device
from bluebird.engines import Engine, open_engine
from bluebird.errors import UsageError
from bluebird.nets import Backbone
from bluebird.nets.pretrained import load_pretrained
from bluebird.pixels.transforms import eval_transform
from bluebird.transfer import Features, Head, Recipe, choose_recipe, features_of, fit_probe, prototypes

_SHOWN = 256


@dataclass(frozen=True)
class Start:
    """The recipe, and what a person is told of it."""

    recipe: Recipe
    notes: list[str]

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
    notes = [load_pretrained(cli.model.network, weights)] if weights and anew else []
    if asked == "auto":
        choice = choose_recipe(cli.datamodule.class_counts, bool(weights))
        return Start(choice.recipe, [*notes, f"recipe {choice.recipe}: {choice.reason}"] if weights else [])
    if asked != "scratch" and not weights:
        raise UsageError(f"--recipe {asked} begins with weights; name them with --weights FILE, or --weights hub")
    return Start(asked, notes)


def find_head(cli: TrainCLI, recipe: Recipe, model: Bundle) -> Iterator[str]:
    """Give the network the last layer that the recipe begins with, if any, and tell a person what it was made of.

    Args:
        model: the network with its classes and preprocessing.
    """
    if recipe == "scratch":
        return
    head, note = _head(cli, recipe, model)
    _give(cli.model.network, head)
    yield note


def _head(cli: TrainCLI, recipe: Recipe, model: Bundle) -> tuple[Head, str]:
    device = choose_device("cpu" if cli.config.trainer.accelerator == "cpu" else "auto", "torch")
    _fit_pooling(cli, device)
    engine, fingerprint = open_engine(model, Path(), "torch", device)
    train = _features(cli, "train", engine, fingerprint)
    count = f"{len(train.values):,} pictures' features"
    if recipe == "few_shot":
        return prototypes(train, len(model.classes)), f"the last layer is made of {count}, a prototype for each class"
    probe = fit_probe(train, _features(cli, "val", engine, fingerprint), len(model.classes))
    right = next(accuracy for decay, _, accuracy in probe.tried if decay == probe.weight_decay)
    return probe.head, (
        f"the last layer is fitted to {count}: {right:.1%} of val are right at a weight decay of "
        f"{probe.weight_decay:.2g}, the best of {len(probe.tried)}"
    )


def _fit_pooling(cli: TrainCLI, device: torch.device) -> None:
    """Second-order pooling goes by the directions in which training pictures vary most; some hundred show them."""
    network, data = cli.model.network, cli.datamodule
    if not isinstance(network, Backbone) or network.pool is None:
        return
    train = data.datasets["train"]
    chosen = torch.linspace(0, len(train) - 1, min(_SHOWN, len(train))).round().int().tolist()
    look = eval_transform(data.mean, data.std)
    network.to(device).eval()
    with torch.inference_mode():
        maps = [network.maps(look(train.__getitems__([number])[0].to(device))).cpu() for number in chosen]
    network.pool.fit(torch.cat(maps))
    network.cpu().train()


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
