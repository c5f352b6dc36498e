"""A trained network with all that is needed to ask it about a picture, and its two halves: a plain card and weights."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_safetensors

from bluebird import nets
from bluebird.errors import BluebirdError, BundleError
from bluebird.nets import Network

FORMAT = "bluebird-model-1"
_ARCHITECTURES: dict[str, type[Network]] = {name: getattr(nets, name) for name in nets.__all__ if name != "Network"}
_COMPLETE = {"num_classes", "image_size", "name", "dropout", "freeze"}  # or else a card is older than some of them


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the network's input: side in px, channel mean and std on the scale 0 to 1."""

    image_size: int
    mean: list[float]
    std: list[float]


@dataclass(frozen=True)
class Validation:
    """What a network said of the M pictures of the val split while it had not learnt from them.

    `logits` is float32 (M, K), before any temperature, and `targets` int64 (M,).
    """

    logits: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class Bundle:
    """A trained network with all that is needed to ask it about a picture.

    Its probabilities are softmax(logits / temperature).
    """

    network: Network
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    data_fingerprint: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    familiarity: list[float] = field(default_factory=list)
    """Quantiles of `nets.familiarity` over held-out pictures, in rising order; empty before the end of training."""
    temperature: float = 1.0
    validation: Validation | None = None

    @property
    def fingerprint(self) -> str:
        """One digest of all that decides on score and novelty; metrics do not."""
        decisive = ("architecture", "arguments", "classes", "preprocessing", "familiarity", "temperature")
        card = describe(self)
        digest = hashlib.sha256(json.dumps({key: card[key] for key in decisive}, sort_keys=True).encode())
        digest.update(save_safetensors(weights_of(self)))
        return digest.hexdigest()[:32]


def describe(bundle: Bundle) -> dict[str, Any]:
    """The plain, readable part of a bundle; with the weights it rebuilds the bundle by `assemble`."""
    return {
        "format": FORMAT,
        "architecture": "Backbone" if isinstance(bundle.network, _Unbuilt) else type(bundle.network).__name__,
        "arguments": bundle.network.arguments,
        "classes": list(bundle.classes),
        "preprocessing": asdict(bundle.preprocessing),
        "data_fingerprint": bundle.data_fingerprint,
        "metrics": bundle.metrics,
        "familiarity": bundle.familiarity,
        "temperature": bundle.temperature,
    }


def assemble(card: dict[str, Any], weights: dict[str, torch.Tensor], source: Path, *, build: bool = True) -> Bundle:
    """The reverse of `describe`; `source` names the origin in errors, `build` is as in `load_model`.

    Raises:
        BundleError: the card is foreign, or weights and architecture do not fit.
    """
    try:
        architecture = card["architecture"]
        if architecture not in _ARCHITECTURES:
            known = ", ".join(_ARCHITECTURES)
            raise BundleError(f"{str(source)!r}: unknown architecture {architecture!r}; this version knows {known}")
        if build or architecture != "Backbone" or _COMPLETE - card["arguments"].keys():
            network = _ARCHITECTURES[architecture](**card["arguments"])
            network.load_state_dict(weights)
        else:
            network = _Unbuilt(card["arguments"], weights)
        classes = tuple(map(str, card["classes"]))
        if len(classes) != network.num_classes:
            raise BundleError(f"{str(source)!r}: {len(classes)} class names for {network.num_classes} outputs")
        preprocessing = Preprocessing(**card["preprocessing"])
        kept = {key: card[key] for key in ("data_fingerprint", "metrics", "familiarity", "temperature")}
        if not kept["temperature"] > 0:
            raise BundleError(f"{str(source)!r}: a temperature of {kept['temperature']}; expected a number above 0")
        return Bundle(network.eval(), classes, preprocessing, **kept)
    except BundleError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, BluebirdError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"{str(source)!r}: not a model that this version can build ({reason})") from error


class _Unbuilt(Network):
    """Stands for a `Backbone` that only others compute: it has its weights and arguments, and answers nothing."""

    def __init__(self, arguments: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
        super().__init__(arguments["num_classes"], arguments["image_size"])
        self.arguments, self.weights = arguments, weights

    def features(self, images: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def decide(self, features: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


def weights_of(bundle: Bundle) -> dict[str, torch.Tensor]:
    """The other part: each tensor of the network by its name, on the CPU and in one piece."""
    held = bundle.network.weights if isinstance(bundle.network, _Unbuilt) else bundle.network.state_dict()
    return {name: tensor.detach().cpu().contiguous() for name, tensor in held.items()}
