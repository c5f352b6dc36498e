"""The convolutional network: the same small kernels everywhere in the picture, then fewer, richer places."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bluebird.errors import UsageError
from bluebird.nets.network import Network, check_dropout, check_widths


class ConvUnit(nn.Sequential):
    """3x3 convolution -> batch norm -> ReLU; (N, C, H, W) to (N, width, H, W)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False),  # batch norm has the bias
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )


class Stage(nn.Module):
    """Widen, halve the sides, then refine by residual pairs; (N, C, H, W) to (N, width, H/2, W/2)."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.widen = ConvUnit(channels, width)
        self.pool = nn.MaxPool2d(2)
        self.blocks = nn.ModuleList(
            nn.Sequential(ConvUnit(width, width), ConvUnit(width, width)) for _ in range(blocks)
        )

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.pool(self.widen(images))
        for block in self.blocks:
            maps = maps + block(maps)
        return maps


class CNN(Network):
    """A narrow residual network: stem, stages, the mean over all places, dropout, linear, softmax.

    Args:
        num_classes: K, the number of probabilities.
        image_size: side S of the pictures in px; at least 2 for each stage to halve.
        stem: channels of the first convolution, which keeps the full resolution.
        widths: channels of each stage; each halves the sides.
        blocks: residual pairs in each stage.
        dropout: probability with which each pooled feature rests in a training step.

    Raises:
        UsageError: an argument outside what is said above.

    Source: residual pairs after He et al. 2015 (arXiv 1512.03385); one convolution and one max-pooling
    between stages, and residual pairs behind the pooling, after Page 2018 (ResNet-9 for DAWNBench);
    mean over places after Lin et al. 2013 (arXiv 1312.4400).
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int,
        stem: int = 16,
        widths: Sequence[int] = (16, 32, 64, 128),
        blocks: Sequence[int] = (0, 1, 1, 1),
        dropout: float = 0.2,
    ) -> None:
        super().__init__(num_classes, image_size)
        check_dropout(dropout)
        check_widths([stem, *widths])
        _check_stages(image_size, widths, blocks)
        self.arguments |= {"stem": stem, "widths": list(widths), "blocks": list(blocks), "dropout": dropout}
        self.stem = ConvUnit(3, stem)
        self.stages = nn.Sequential(*(Stage(c, w, b) for c, w, b in zip([stem, *widths], widths, blocks, strict=False)))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear([stem, *widths][-1], num_classes)
        self._initialise()
        self.to(memory_format=torch.channels_last)  # the quicker order in memory; the numbers are the same

    def features(self, images: Tensor) -> Tensor:
        maps: Tensor = self.stages(self.stem(images))
        return maps.mean(dim=(2, 3))  # (N, C, H, W) -> (N, C)

    def decide(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(features))
        return logits

    @torch.no_grad()
    def _initialise(self) -> None:
        """He's normal draw for each convolution (its ReLU halves the signal), Glorot's for the head."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.xavier_normal_(self.head.weight)
        nn.init.zeros_(self.head.bias)


def _check_stages(image_size: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
    if len(widths) != len(blocks) or any(count < 0 for count in blocks):
        raise UsageError(
            f"blocks is {list(blocks)}; expected {len(widths)} whole numbers from 0 up, one for each of widths"
        )
    if image_size < 2 ** len(widths):
        raise UsageError(
            f"image_size is {image_size} px; {len(widths)} stages, each halving the sides, need at least "
            f"{2 ** len(widths)} px"
        )
