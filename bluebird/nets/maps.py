"""The last map of an architecture, before it is pooled."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from bluebird.errors import UsageError

_RESNET = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


def map_of(body: Any) -> Callable[[Tensor], Tensor]:
    """What takes images (N, 3, S, S) to the last map (N, C, H, W) of a body of torchvision's or timm's.

    Raises:
        UsageError: it is none of those whose parts are known.
    """
    if hasattr(body, "forward_features"):  # timm's
        return body.forward_features  # type: ignore[no-any-return]
    if isinstance(getattr(body, "features", None), nn.Sequential):
        return body.features  # type: ignore[no-any-return]
    if all(hasattr(body, name) for name in _RESNET):
        return lambda images: reduce(lambda maps, name: getattr(body, name)(maps), _RESNET, images)
    raise UsageError(f"pooling is 'covariance': of a {type(body).__name__} no last map is known; leave it 'as_built'")


def last_map(name: str, body: nn.Module, image_size: int) -> int:
    """The number of channels of the last map; `name` is for errors.

    Raises:
        UsageError: there is none, or it has no places to compare.
    """
    device = next(body.parameters()).device
    with torch.no_grad():
        shape = map_of(body.eval())(torch.zeros(1, 3, image_size, image_size, device=device)).shape
    body.train()
    if len(shape) != 4 or shape[1] <= shape[3] or shape[2] * shape[3] < 2:
        raise UsageError(
            f"pooling is 'covariance': {name} ends in {tuple(shape[1:])} for pictures of {image_size} px; expected "
            "channels, rows and columns, several of each; leave it 'as_built', or take larger pictures"
        )
    return shape[1]
