"""A network that learns in few epochs: its first layer is computed, the others begin by handing on what they see."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bluebird.errors import UsageError
from bluebird.nets.convolution import Convolution3x3
from bluebird.nets.network import Network, check_dropout, check_widths

_PATCH = 2
_EDGES = 2 * 3 * _PATCH * _PATCH  # each direction of a patch, forwards and backwards
_NOISE = 5e-4  # variance below which a direction is taken for noise and not amplified
_BATCH_NORM_MOMENTUM = 0.4  # a few epochs have to be enough for its statistics
_HEAD = 1 / 9
_PLACES = 2**22  # whose patches are measured: 400 MB


class WhitenedUnits(nn.Module):
    """Widen and halve the sides, then look again; (N, C, H, W) to (N, width, H/2, W/2)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.widen, self.widen_norm = _convolution(channels, width)
        self.refine, self.refine_norm = _convolution(width, width)

    def forward(self, maps: Tensor) -> Tensor:
        maps = functional.gelu(self.widen_norm(functional.max_pool2d(self.widen(maps), 2)))
        refined: Tensor = functional.gelu(self.refine_norm(self.refine(maps)))
        return refined


def _convolution(channels: int, width: int) -> tuple[Convolution3x3, nn.BatchNorm2d]:
    """3x3, and its norm; the first kernels hand their channel on as it is, the others are drawn."""
    convolution = Convolution3x3(channels, width)
    with torch.no_grad():
        nn.init.dirac_(convolution.weight[: min(channels, width)])
    return convolution, nn.BatchNorm2d(width, momentum=_BATCH_NORM_MOMENTUM)


class WhitenedCNN(Network):
    """Whitened patches, stages, the greatest value of each channel, dropout, linear, softmax.

    The first layer is not learnt: `measure` computes from training pictures the directions in which patches of 2x2
    vary, and scales each to the variance 1, so that what follows sees colours and edges at once and equally strong.

    Args:
        num_classes: K, the number of probabilities.
        image_size: side S of the pictures in px; above 2 for each stage to halve.
        widths: channels of each stage; each halves the sides.
        dropout: probability with which each pooled feature rests in a training step.
        mirror: look at each picture twice, as it is and mirrored, and decide on the mean of both features, except in
            a training step. It takes twice the time.
        moved: likewise look at each picture moved by a pixel up and left, and down and right, in the place of as it is.
            It takes twice the time again.

    Raises:
        UsageError: an argument outside what is said above.

    Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (arXiv 2404.00498), sections 3.1 to 3.3:
    whitening (after Page 2018), kernels that begin as the identity, the shape of a stage, the small head; the looks at
    what is moved after 3.5, without the one at what is not. Departures: stages as many as one likes, a scale in each
    batch norm, one rate for the biases, dropout.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int,
        widths: Sequence[int] = (64, 256, 256),
        dropout: float = 0.0,
        mirror: bool = False,
        moved: bool = False,
    ) -> None:
        super().__init__(num_classes, image_size)
        check_dropout(dropout)
        check_widths(list(widths))
        if (image_size - 1) >> len(widths) < 1:
            raise UsageError(
                f"image_size is {image_size} px; {len(widths)} stages, each halving the sides, need at least "
                f"{2 ** len(widths) + 1} px"
            )
        self.arguments |= {"widths": list(widths), "dropout": dropout, "mirror": mirror, "moved": moved}
        self.mirror, self.moved = mirror, moved
        self.whiten = nn.Conv2d(3, _EDGES, _PATCH, bias=False)
        self.whiten.weight.requires_grad_(False)
        channels = [_EDGES, *widths]
        self.stages = nn.Sequential(*(WhitenedUnits(c, w) for c, w in zip(channels, widths, strict=False)))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels[-1], num_classes)
        with torch.no_grad():
            nn.init.normal_(self.head.weight, std=_HEAD)
            nn.init.zeros_(self.head.bias)
        self.to(memory_format=torch.channels_last)

    @property
    def pictures_to_measure(self) -> int:  # type: ignore[override]
        return max(1, _PLACES // self.image_size**2)

    @torch.no_grad()
    def measure(self, images: Tensor) -> None:
        """Whiten by what images (N, 3, S, S) show: principal components of their patches, scaled to the variance 1."""
        patches = functional.unfold(images, _PATCH)  # (N, 3 * 2 * 2, places)
        places = patches.movedim(1, 2).flatten(0, 1).cpu().double()  # (N * places, 12)
        variances, directions = torch.linalg.eigh(torch.cov(places.T))
        scaled = (directions / (variances + _NOISE).sqrt()).T.flip(0).unflatten(1, (3, _PATCH, _PATCH))
        self.whiten.weight.copy_(torch.cat([scaled, -scaled]))

    def features(self, images: Tensor) -> Tensor:
        if self.training:
            return self._look(images)
        looks = _moved(images) if self.moved else [images]
        looks += [look.flip(-1) for look in looks] if self.mirror else []
        seen = self._look(torch.cat(looks))
        return seen.reshape(len(looks), -1, seen.shape[1]).mean(0)  # (looks, N, C) to (N, C)

    def _look(self, images: Tensor) -> Tensor:
        maps: Tensor = self.stages(functional.gelu(self.whiten(images)))
        return maps.amax(dim=(2, 3))  # (N, C, H, W) -> (N, C)

    def decide(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(features))
        return logits


def _moved(images: Tensor) -> list[Tensor]:
    """Images (N, 3, S, S) moved by a pixel down and right, and up and left; at the edge they are mirrored."""
    framed = functional.pad(images, (1, 1, 1, 1), mode="reflect")
    return [framed[..., :-2, :-2], framed[..., 2:, 2:]]
