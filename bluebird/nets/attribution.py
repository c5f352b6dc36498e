"""Where in a picture a network sees what it says it sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from bluebird.errors import UsageError
from bluebird.nets.covariance import CovariancePooling
from bluebird.nets.network import Network

GRAD_CAM, HIRES_CAM, SALIENCY = "Grad-CAM", "HiResCAM", "saliency"
"""What `attribution` calls its methods."""

_BRIGHT = 0.99
"""This share of a saliency map lies below its full brightness: a lone pixel would darken all others."""


def grad_cam(network: Network, images: Tensor, classes: Tensor) -> Tensor:
    """Where images (N, 3, S, S) speak for classes (N,): maps (N, S, S), float32 from 0 to 1.

    Taken at the network's last map of more than one place, drawn up to the picture's side, each divided by its own
    maximum: maps say where, not how much. One is all zero where no place speaks for the class.

    The network may be frozen, the caller under `torch.no_grad` or `torch.inference_mode`; the network answers as in
    evaluation and is left as it was. Memory is that of a training step. A network built under `torch.inference_mode`
    has no gradients, and torch says so.

    Raises:
        UsageError: images or classes of another shape or range, a network without such a map, as MLP and vit, or one
            that pools by covariance.

    Source: Selvaraju et al. 2017 (arXiv 1610.02391), eq. 1 and 2, on the logits.
    """
    if _pools_by_covariance(network):
        raise UsageError("Grad-CAM tells nothing of covariance, whose slopes cancel out over all places: use HiResCAM")
    return _found(_cam(network, images, classes, _one_weight_a_channel), GRAD_CAM)


def hires_cam(network: Network, images: Tensor, classes: Tensor) -> Tensor:
    """As `grad_cam`, but each place counts by its own slope, times how it differs from the mean of all places.

    For a network that pools by covariance, to which a place adds the square of that difference.

    Raises:
        UsageError: images or classes of another shape or range, or a network without a map.

    Source: Draelos and Carin 2020 (arXiv 2011.08891), on the logits; the mean that is taken off is ours.
    """
    return _found(_cam(network, images, classes, _each_place_its_own), HIRES_CAM)


def saliency(network: Network, images: Tensor, classes: Tensor) -> Tensor:
    """How much the logit of classes (N,) hangs on each pixel of images (N, 3, S, S): (N, S, S), float32 from 0 to 1.

    The greatest absolute gradient over the channels; full brightness from the 99th percentile of each picture up, or
    at its maximum where fewer pixels than that matter. Works with every network, and leaves it as `grad_cam` does.

    Raises:
        UsageError: images or classes of another shape or range.

    Source: Simonyan et al. 2014 (arXiv 1312.6034), sec. 3.1; the percentile is ours.
    """
    with _explaining(network, images) as leaf:
        (gradient,) = torch.autograd.grad(_chosen(network.logits(leaf), classes), leaf)
    sizes = gradient.abs().amax(1).float().flatten(1)  # (N, S S)
    bright = sizes.kthvalue(math.ceil(_BRIGHT * sizes.shape[1]), dim=1, keepdim=True).values
    peak = sizes.amax(1, keepdim=True)
    return _over(sizes, torch.where(bright > 0, bright, peak)).view(len(images), *images.shape[2:])


def attribution(network: Network, images: Tensor, classes: Tensor) -> tuple[Tensor, str]:
    """Maps (N, S, S) and the method's name: `grad_cam` where the network has a map, `hires_cam` where it pools that by
    covariance, else `saliency`.

    Raises `UsageError` for images or classes of another shape or range.
    """
    if _pools_by_covariance(network):
        return hires_cam(network, images, classes), HIRES_CAM
    maps = _cam(network, images, classes, _one_weight_a_channel)
    if maps is None:
        return saliency(network, images, classes), SALIENCY
    return maps, GRAD_CAM


def _pools_by_covariance(network: Network) -> bool:
    return any(isinstance(module, CovariancePooling) for module in network.modules())


def _found(maps: Tensor | None, method: str) -> Tensor:
    if maps is None:
        raise UsageError(f"{method} needs a network that ends in a map of places, and this one has none: use saliency")
    return maps


def _one_weight_a_channel(gradient: Tensor, channels: Tensor) -> Tensor:
    return gradient.mean((2, 3), keepdim=True) * channels  # eq. 1: alpha_k = 1/Z sum_ij dy/dA_kij


def _each_place_its_own(gradient: Tensor, channels: Tensor) -> Tensor:
    return gradient * (channels - channels.mean((2, 3), keepdim=True))


def _cam(network: Network, images: Tensor, classes: Tensor, weigh: Callable[[Tensor, Tensor], Tensor]) -> Tensor | None:
    """The class's map, None where the network has no map; `weigh` takes dy/dA and A (N, C, H, W) to their products."""
    with _explaining(network, images) as leaf:
        with _watching(network) as last:
            features = network.features(leaf)
        asked = _chosen(network.decide(features), classes)
        if not last or last[0].ndim != 4:
            return None
        (gradient,) = torch.autograd.grad(asked, last[0])
        if _is_channels_last(last[0], features):
            gradient, last[0] = gradient.movedim(3, 1), last[0].movedim(3, 1)
        channels = last[0].detach().float()  # A, (N, C, H, W)
    maps = weigh(gradient.float(), channels).sum(1, keepdim=True)
    seen, mirrored = _looks(maps, network, len(images))
    maps = seen.sum(0) + mirrored.flip(-1).sum(0)
    full = functional.interpolate(maps.relu(), size=images.shape[2:], mode="bilinear").squeeze(1)  # eq. 2: ReLU(sum)
    return _over(full, full.amax((1, 2), keepdim=True))


def _looks(maps: Tensor, network: Network, count: int) -> tuple[Tensor, Tensor]:
    """Maps of a network that looks several times, (looks, count, ...), and of those the mirrored ones, which come last.

    Looks that are moved by a pixel count as if they were not.
    """
    looks = torch.unflatten(maps, 0, (-1, count))
    mirrored = len(looks) // 2 if getattr(network, "mirror", False) else 0
    return looks[: len(looks) - mirrored], looks[len(looks) - mirrored :]


def _chosen(logits: Tensor, classes: Tensor) -> Tensor:
    """The sum of each picture's logit of its class; in evaluation no picture's gradient knows of another."""
    count, num_classes = logits.shape
    if classes.shape != (count,):
        raise UsageError(f"classes is {tuple(classes.shape)}; expected ({count},), one for each picture")
    if not bool(((classes >= 0) & (classes < num_classes)).all()):
        raise UsageError(f"classes is {classes.tolist()}; expected numbers from 0 to {num_classes - 1}")
    numbers = classes.to(logits.device, torch.int64, copy=True)  # a copy, or autograd may not keep it
    return logits.gather(1, numbers[:, None]).sum()


def _is_channels_last(maps: Tensor, features: Tensor) -> bool:
    """Whether maps are (N, H, W, C), as those of timm's swin: features are their mean, and as many as channels."""
    return maps.shape[3] == features.shape[1] != maps.shape[1]


@contextmanager
def _explaining(network: Network, images: Tensor) -> Iterator[Tensor]:
    """The images as a leaf that gradients reach, whatever mode the caller is in; the network in evaluation."""
    if images.ndim != 4 or images.shape[1] != 3 or not len(images) or not images.is_floating_point():
        raise UsageError(f"images is {images.dtype} {tuple(images.shape)}; expected float (N, 3, S, S), at least one")
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield images.detach().clone().requires_grad_()
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def _watching(network: Network) -> Iterator[list[Tensor]]:
    """Holds, after a run, the last output of a module that has more than one place; nothing where none has.

    A map has four dimensions; tokens, as vit's, have three. A module is heard after those inside it, so that of a
    residual pair the sum counts and not the branch.
    """
    last: list[Tensor] = []

    def hear(_: nn.Module, __: tuple[object, ...], output: object) -> None:
        if isinstance(output, Tensor) and output.ndim > 2 and output[0, 0].numel() > 1:
            last[:] = [output]

    with ExitStack() as hooks:
        for module in network.modules():
            handle = module.register_forward_hook(hear)
            hooks.callback(handle.remove)
        yield last


def _over(values: Tensor, peak: Tensor) -> Tensor:
    """`values` divided by `peak`, at most 1; zero where the peak is."""
    return (values / torch.where(peak > 0, peak, 1)).clamp(max=1)
