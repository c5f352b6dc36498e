"""Pictures of a batch mixed with one another, and their targets with them."""

from __future__ import annotations

from torch import nn
from torchvision.transforms import v2


def mixing(mixup: float, cutmix: float, num_classes: int) -> nn.Module | None:
    """What takes images float (N, 3, S, S) and targets int64 (N,) to mixed images and shares float32 (N, K); or None.

    One share is drawn for each batch. Both given, a coin decides for each batch which of them it is.

    Args:
        mixup: alpha of the beta distribution from which the share is drawn; 0 for no mixup.
        cutmix: likewise.
        num_classes: K.

    Source: Zhang et al. 2017 (arXiv 1710.09412) and Yun et al. 2019 (arXiv 1905.04899), by torchvision, where a
    picture's partner is the one before it in the batch.
    """
    kinds: list[nn.Module] = []
    if mixup:
        kinds.append(v2.MixUp(alpha=mixup, num_classes=num_classes))
    if cutmix:
        kinds.append(v2.CutMix(alpha=cutmix, num_classes=num_classes))
    if len(kinds) < 2:
        return kinds[0] if kinds else None
    either: nn.Module = v2.RandomChoice(kinds)
    return either
