"""A trained model as two files that any machine can read and nobody can run code with.

model.safetensors        the weights
validation.safetensors   what it said of the pictures held out to validate: thresholds are chosen by them
model.json               everything else: architecture and arguments, class names in order, image size, mean and std,
                         temperature, fingerprint of the training data, versions, metrics, digests
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

import bluebird
from bluebird import nets
from bluebird.errors import BluebirdError, BundleError
from bluebird.files import write_whole
from bluebird.nets import Network

_FORMAT = "bluebird-model-1"
_WEIGHTS, _VALIDATION, _CARD = "model.safetensors", "validation.safetensors", "model.json"
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
        digest.update(save_safetensors(_weights(self)))
        return digest.hexdigest()[:32]


def describe(bundle: Bundle) -> dict[str, Any]:
    """The plain, readable part of a bundle; with the weights it rebuilds the bundle by `assemble`."""
    return {
        "format": _FORMAT,
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


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the files into `folder`, the card last, each whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    weights = save_safetensors(_weights(bundle))
    card = describe(bundle) | {"versions": versions(), "weights_sha256": hashlib.sha256(weights).hexdigest()}
    held_out = bundle.validation and save_safetensors(vars(bundle.validation))
    if bundle.validation and held_out:
        digest = hashlib.sha256(held_out).hexdigest()
        card["validation"] = {"split": "val", "pictures": len(bundle.validation.targets), "sha256": digest}
    card["card_sha256"] = _card_digest(card)
    write_whole(folder / _WEIGHTS, weights)
    if held_out:
        write_whole(folder / _VALIDATION, held_out)
    write_whole(folder / _CARD, (json.dumps(card, indent=2) + "\n").encode())


def _weights(bundle: Bundle) -> dict[str, torch.Tensor]:
    held = bundle.network.weights if isinstance(bundle.network, _Unbuilt) else bundle.network.state_dict()
    return {name: tensor.detach().cpu().contiguous() for name, tensor in held.items()}


def load_model(path: Path, *, build: bool = True) -> Bundle:
    """Load a bundle folder, a run folder that has one, or a Lightning checkpoint that Bluebird wrote.

    Nothing in any of them is executed: safetensors and JSON, or `weights_only=True`. Without `build`, a folder's
    `Backbone` is not built, which takes a second: all that the folder says is as ever, but only an export can be asked.

    Raises:
        BundleError: missing, truncated, altered or foreign.
    """
    if path.is_file() and path.suffix == ".ckpt":
        return _load_checkpoint(path)
    if folder := bundle_folder(path):
        return _load_folder(folder, build=build)
    run = max(path.glob(f"*/bundle/{_CARD}"), key=lambda card: card.stat().st_mtime, default=None)
    meant = f"did you mean {str(run.parents[1])!r}?" if run else f"expected a folder with {_CARD}, a run or a .ckpt"
    raise BundleError(f"{str(path)!r}: no model there; {meant}")


def bundle_folder(path: Path) -> Path | None:
    """The folder of the bundle that `path` means: itself, or the one in a run folder."""
    return next((folder for folder in (path, path / "bundle") if (folder / _CARD).is_file()), None)


def _load_folder(folder: Path, *, build: bool) -> Bundle:
    card = _read_card(folder)
    model = assemble(card, _read_tensors(folder / _WEIGHTS, card["weights_sha256"]), folder, build=build)
    if "validation" not in card:
        return model
    return replace(model, validation=Validation(**_read_tensors(folder / _VALIDATION, card["validation"]["sha256"])))


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / _CARD
    try:
        card = json.loads(path.read_bytes())
    except ValueError as error:
        raise BundleError(f"{str(path)!r}: truncated or not JSON ({error})") from error
    except OSError as error:
        raise BundleError(f"{str(path)!r}: cannot be read ({error.strerror})") from error
    if not isinstance(card, dict) or card.get("format") != _FORMAT:
        raise BundleError(f"{str(path)!r}: not a Bluebird model (no format {_FORMAT!r})")
    if card.get("card_sha256") != _card_digest(card):
        raise BundleError(f"{str(path)!r}: altered since it was written; train again or fetch it anew")
    return card


def _read_tensors(path: Path, digest: str) -> dict[str, torch.Tensor]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{str(path)!r}: cannot be read ({error.strerror})") from error
    if digest != hashlib.sha256(data).hexdigest():
        raise BundleError(f"{str(path)!r}: truncated or altered since it was written; fetch it anew")
    try:
        return load_safetensors(data)
    except SafetensorError as error:
        raise BundleError(f"{str(path)!r}: not a safetensors file ({error})") from error


def _load_checkpoint(path: Path) -> Bundle:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever it meets; all of it means the same here
        raise BundleError(
            f"{str(path)!r}: no checkpoint, or truncated, or holds more than plain tensors and numbers: refused"
        ) from error
    card = checkpoint.get("bluebird") if isinstance(checkpoint, dict) else None
    if card is None:
        raise BundleError(f"{str(path)!r}: a checkpoint of another program; expected one written by bluebird train")
    prefix, state = "network.", checkpoint["state_dict"]
    weights = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
    return assemble(card, weights, path)


def versions() -> dict[str, str]:
    """The versions that made a result."""
    from importlib.metadata import version

    own = {"bluebird": bluebird.__version__, "python": platform.python_version()}
    return own | {name: version(name) for name in ("torch", "torchvision", "lightning", "pillow")}


def _card_digest(card: dict[str, Any]) -> str:
    content = {key: value for key, value in card.items() if key != "card_sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
