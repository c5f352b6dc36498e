"""Weights that somebody else trained: what a backbone starts from instead of chance."""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from bluebird.errors import BundleError, UsageError
from bluebird.nets.architectures import fetch, fit_positions
from bluebird.nets.backbone import Backbone

State = dict[str, Tensor]

_WRAPPINGS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "net", "module")
"""Under what names trainers put a state_dict into a greater file; the average over the training, if any, first."""


def load_pretrained(network: nn.Module, source: str | Path) -> str:
    """Give a `Backbone` the weights of its architecture, and get a sentence that says which.

    The head is taken too where the source's has as many classes; else it stays as it was drawn,
    and the sentence says so. Of a bundle never: its classes are others.

    Args:
        network: is changed in place.
        source: a file, `.safetensors` or whatever `torch.save` wrote of plain tensors, with the names of torchvision
            or timm, also inside what a trainer wraps round them; the folder of a bundle or of its run; or "hub", for
            the weights that the library itself offers.

    Raises:
        UsageError: the network is no backbone, or the hub has no weights of it.
        BundleError: not there, not readable without executing it, or of another architecture.
    """
    if not isinstance(network, Backbone):
        raise UsageError(f"--weights: {type(network).__name__} has none; choose --model.network bluebird.nets.Backbone")
    name = network.arguments["name"]
    if str(source) == "hub":
        state, origin = fetch(name, network.image_size)
    else:
        origin = repr(str(source))
        if Path(source).is_dir():
            _load_body(network, _read_bundle(Path(source), network), origin)
            return f"{name} starts from the body of the model in {origin}; its head is left out"
        state = _unwrapped(_read(Path(source)), origin)
    state = _unprefixed(state, network.body.state_dict())
    _load_body(network, state, origin)
    return f"{name} starts from {origin}; {_load_head(network, state)}"


def _load_body(network: Backbone, state: State, origin: str) -> None:
    own = network.body.state_dict()
    misfits = _misfits(network, own, state)
    if misfits:
        state = fit_positions(network.body, state)
        misfits = _misfits(network, own, state)
    if misfits:
        more = f", and {len(misfits) - 3} more" if len(misfits) > 3 else ""
        name = network.arguments["name"]
        raise BundleError(f"{origin}: not the weights of a {name}: {', '.join(misfits[:3])}{more}")
    network.body.load_state_dict({name: state.get(name, own[name]) for name in own})


def _misfits(network: Backbone, own: State, state: State) -> list[str]:
    """What keeps `state` from being that of the body; what belongs to heads of any kind does not."""
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    shapes = [name for name in own if name in state and own[name].shape != state[name].shape]
    tops = {name.partition(".")[0] for name in own}
    head = tuple(f"{network.classifier}.{kind}" for kind in ("weight", "bias"))
    beyond = [name for name in state if name.partition(".")[0] in tops and name not in own and name not in head]
    return [
        *(f"{name!r} is missing" for name in missing),
        *(f"{name!r} is {tuple(state[name].shape)} instead of {tuple(own[name].shape)}" for name in shapes),
        *(f"{name!r} is one too many" for name in beyond),
    ]


def _load_head(network: Backbone, state: State) -> str:
    weight, bias = (state.get(f"{network.classifier}.{kind}") for kind in ("weight", "bias"))
    if weight is None:
        return "it has no head, and this one is learnt anew"
    if weight.shape != network.head.weight.shape:
        return f"its head of {len(weight)} classes is left out, and one of {network.num_classes} is learnt anew"
    network.head.load_state_dict({"weight": weight, "bias": torch.zeros(len(weight)) if bias is None else bias})
    return f"its head is taken too: it has {len(weight)} classes as well, which must be the same in the same order"


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_safetensors(path.read_bytes())
        with torch.serialization.safe_globals([Namespace]):  # trainers keep their options beside; it only holds them
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BundleError(f"{str(path)!r}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise BundleError(f"{str(path)!r}: not a safetensors file ({error})") from error
    except Exception as error:  # torch.load raises whatever it meets; all of it means the same here
        raise BundleError(
            f"{str(path)!r}: no file of weights, a truncated one, or one that holds more than plain tensors, which is "
            "refused; expected a state_dict (.pth, .safetensors)"
        ) from error


def _unwrapped(content: Any, origin: str) -> State:
    """The names and tensors in what a trainer wrote."""
    while isinstance(content, dict):
        inner = next((content[key] for key in _WRAPPINGS if isinstance(content.get(key), dict)), None)
        if inner is None:
            break
        content = inner
    tensors = {}
    if isinstance(content, dict):
        tensors = {
            name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)
        }
    if not tensors:
        raise BundleError(f"{origin}: holds no state_dict; expected names and tensors")
    return tensors


def _unprefixed(state: State, own: State) -> State:
    """`state` without what stands before every name, such as `module.`: the prefix by which most of `own` are found."""
    found = Counter({"": sum(name in own for name in state)})
    for name in state:
        parts = name.split(".")
        found.update(".".join(parts[:n]) + "." for n in range(1, len(parts)) if ".".join(parts[n:]) in own)
    prefix = max(found, key=lambda one: (found[one], -len(one)))
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _read_bundle(folder: Path, network: Backbone) -> State:
    """The body in a folder that `bundle.save_bundle` wrote, which stands after this room and is not asked here."""
    folder = next((one for one in (folder, folder / "bundle") if (one / "model.json").is_file()), folder)
    try:
        card = json.loads((folder / "model.json").read_bytes())
        weights = (folder / "model.safetensors").read_bytes()
        theirs, digest = card["arguments"].get("name", card["architecture"]), card["weights_sha256"]
    except FileNotFoundError as error:
        raise BundleError(
            f"{str(error.filename)!r}: not there; expected a file of weights or a model's folder"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{str(folder)!r}: not a model that can be read ({error})") from error
    if theirs != network.arguments["name"]:
        raise BundleError(f"{str(folder)!r}: the model is a {theirs}; expected a {network.arguments['name']}")
    if digest != hashlib.sha256(weights).hexdigest():
        raise BundleError(f"{str(folder)!r}: truncated or altered since it was written; fetch it anew")
    state = load_safetensors(weights)
    return {name.removeprefix("body."): value for name, value in state.items() if name.startswith("body.")}
