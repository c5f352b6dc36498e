"""The architectures of torchvision and timm by name, built without weights and without a classifier of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bluebird.errors import BundleError, UsageError
from bluebird.nets.libraries import find, of_timm, of_torchvision, timm_model, timm_stated, torchvision_weights

_STEPS = 14, 16, 32
"""Sides of patches, and what windows and strides multiply up to: sizes that an architecture takes are multiples."""


class Native(NamedTuple):
    """What the library's own weights were trained on: side of the pictures in px, mean and std on the scale 0 to 1."""

    side_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_IMAGENET = Native(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Where a library states nothing."""


@dataclass(frozen=True)
class Architecture:
    """`body` takes images (N, 3, S, S) to features (N, F). In files of weights, `classifier` leads to what it lacks."""

    body: nn.Module
    features: int
    classifier: str


def build(name: str, image_size: int) -> Architecture:
    """The architecture `name` with weights as its library draws them, for pictures of `image_size` px.

    Args:
        name: torchvision's ("resnet18"), or timm's: "timm/convnext_tiny.fb_in1k", or bare where only timm has it.
        image_size: S; tried with one black picture.

    Raises:
        UsageError: no such name, timm is not installed, not an architecture that ends in one layer, or a size that
            it cannot take.
    """
    library, own = find(name)
    try:
        body, classifier = of_torchvision(own, image_size) if library == "torchvision" else of_timm(own, image_size)
        features = _shape(body, image_size)
    except UsageError:
        raise
    except Exception as error:  # the libraries refuse a size by whatever they meet
        raise UsageError(_unfit(name, image_size, error)) from error
    if len(features) != 2:
        raise UsageError(f"name is {name!r}: gives {features[1:]} for a picture; expected one row of features")
    return Architecture(body, features[1], classifier)


def native(name: str) -> Native:
    """Side, mean and std that the library states for its own weights of `name`; raises `UsageError` as `build` does."""
    library, own = find(name)
    if library == "timm":
        stated = timm_stated(own)
        return Native(stated.input_size[-1], stated.mean, stated.std) if stated else _IMAGENET
    weights = torchvision_weights(own)
    if weights is None:
        return _IMAGENET
    transforms = weights.transforms()
    return Native(transforms.crop_size[0], tuple(transforms.mean), tuple(transforms.std))


def fetch(name: str, image_size: int) -> tuple[dict[str, Tensor], str]:
    """The weights that the library's own hub has of `name`, classifier included, and the address they come from.

    They are kept where torch and Hugging Face keep theirs, and not asked for again.

    Raises:
        UsageError: as `build`, or the hub has none.
        BundleError: they cannot be fetched, or arrive damaged.
    """
    library, own = find(name)
    weights = torchvision_weights(own) if library == "torchvision" else timm_stated(own)
    hosted = getattr(weights, "hf_hub_id", None)
    address = f"https://huggingface.co/{hosted}" if hosted else getattr(weights, "url", None)
    if not address:
        raise UsageError(f"--weights hub: {library} has no weights of {name}; name a file of them instead")
    try:
        if library == "torchvision":
            return weights.get_state_dict(progress=True, check_hash=True, weights_only=True), address
        return timm_model(own, image_size, pretrained=True).state_dict(), address
    except Exception as error:  # sockets, proxies, certificates, digests: each library has its own
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise BundleError(
            f"--weights hub: {address} cannot be fetched ({reason}); fetch it elsewhere, then: --weights FILE"
        ) from error


def fit_positions(body: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state` with the positions of a transformer drawn to the size of `body`'s pictures, by its library's own rule.

    timm's rules also translate names of the makers' own files. What cannot be fitted stays as it is.
    """
    from torchvision.models import VisionTransformer, vision_transformer

    try:
        if isinstance(body, VisionTransformer):
            fitted: dict[str, Tensor] = vision_transformer.interpolate_embeddings(
                body.image_size, body.patch_size, dict(state)
            )
            return fitted
        rule = getattr(sys.modules[type(body).__module__], "checkpoint_filter_fn", None)
        return rule(dict(state), body) if rule else state
    except Exception:  # the caller says what does not fit
        return state


@torch.no_grad()
def _shape(body: nn.Module, side: int) -> tuple[int, ...]:
    """Of what `body` gives for one black picture."""
    patch = getattr(getattr(body, "patch_embed", None), "patch_size", None)
    if isinstance(patch, tuple) and side % patch[0]:
        raise ValueError(f"patches of {patch[0]} px")  # timm would leave out the last pixels, and not say so
    images = torch.zeros(1, 3, side, side, device=next(body.parameters()).device)
    shape = tuple(body.eval()(images).shape)
    body.train()
    return shape


def _unfit(name: str, side: int, error: Exception) -> str:
    sizes = sorted(_sizes(name, side))
    if not sizes:
        return f"name is {name!r}: cannot be built ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
    return f"image_size is {side}: {name} cannot take it; expected, for example, {' or '.join(map(str, sizes))}"


def _sizes(name: str, side: int) -> set[int]:
    """The nearest that fit below and above, and that of the library's weights; tried on the meta device."""
    known = native(name).side_px
    multiples = {step * count for step in _STEPS for count in range(1, 2 * max(side, known) // step + 1)}
    below = sorted((size for size in multiples if size < side), reverse=True)[:8]
    above = sorted(size for size in multiples if size > side)[:8]
    firsts = (next(_fitting(name, sizes), None) for sizes in (below, above, [known]))
    return {size for size in firsts if size}


def _fitting(name: str, sizes: list[int]) -> Iterator[int]:
    library, own = find(name)
    for size in sizes:
        try:
            with torch.device("meta"):
                _shape((of_torchvision if library == "torchvision" else of_timm)(own, size)[0], size)
            yield size
        except Exception:
            continue
