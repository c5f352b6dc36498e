"""Weights that somebody else trained, from a file: what a backbone starts from instead of chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bluebird.errors import BundleError, UsageError
from bluebird.nets.backbone import Backbone


def load_pretrained(network: nn.Module, path: Path) -> None:
    """Give a `Backbone` the weights of its architecture from a state_dict, all but the last layer's.

    Args:
        network: is changed in place; its head stays as it was drawn, for it tells other classes apart.
        path: `.safetensors`, or whatever `torch.save` wrote of plain tensors, with torchvision's names.

    Raises:
        UsageError: the network is no backbone.
        BundleError: not readable without executing it, or of another architecture.
    """
    if not isinstance(network, Backbone):
        raise UsageError(f"--weights: {type(network).__name__} has none; choose --model.network bluebird.nets.Backbone")
    state = _read(path)
    own = network.body.state_dict()
    shapes = [name for name in own if name in state and own[name].shape != state[name].shape]
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    if shapes or missing:
        raise BundleError(
            f"{str(path)!r}: not the weights of a {network.arguments['name']}: {(missing or shapes)[0]!r} is "
            f"{'missing' if missing else 'of another shape'}, and {len(missing) + len(shapes) - 1} more are like it"
        )
    network.body.load_state_dict({name: state.get(name, own[name]) for name in own})


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BundleError(f"{str(path)!r}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise BundleError(f"{str(path)!r}: not a safetensors file ({error})") from error
    except Exception as error:  # torch.load raises whatever it meets; all of it means the same here
        raise BundleError(f"{str(path)!r}: truncated, or holds more than plain tensors, which is refused") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BundleError(f"{str(path)!r}: holds no state_dict; expected names and tensors")
    return state
