"""Bundles on disk: written whole or not at all, and read without running anything of them."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

import bluebird
from bluebird.bundle.model import FORMAT, Bundle, Validation, assemble, describe, weights_of
from bluebird.errors import BundleError
from bluebird.files import write_whole

_WEIGHTS, _VALIDATION, _CARD = "model.safetensors", "validation.safetensors", "model.json"


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the files into `folder`, the card last, each whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    weights = save_safetensors(weights_of(bundle))
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
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise BundleError(f"{str(path)!r}: not a Bluebird model (no format {FORMAT!r})")
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
