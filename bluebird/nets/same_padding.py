"""Convolutions that pad as TensorFlow does, for weights that were trained there."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def pad_same(body: nn.Module) -> int:
    """Let the strided convolutions of `body` pad as TensorFlow's SAME, and say how many these are.

    Only those of a stride above one that pad at all: with stride one both ways are the same, and one that is built
    without padding is VALID in TensorFlow too. The zeros are added in a hook before the convolution, not by a layer of
    their own: so the names are still those of the weights, and convolution and batch norm can still be fused.

    Source: tf.nn.convolution, "SAME": ceil(n / s) places, the odd zero behind and below.
    """
    strided = [module for module in body.modules() if isinstance(module, nn.Conv2d) and _is_padded(module)]
    for convolution in strided:
        convolution.padding = (0, 0)
        convolution.register_forward_pre_hook(_pad)
    return len(strided)


def _is_padded(convolution: nn.Conv2d) -> bool:
    return max(convolution.stride) > 1 and not isinstance(convolution.padding, str) and max(convolution.padding) > 0


def _pad(convolution: nn.Conv2d, inputs: tuple[Tensor]) -> tuple[Tensor]:
    (images,) = inputs
    (top, bottom), (left, right) = (_zeros(convolution, images.shape[axis], axis - 2) for axis in (2, 3))
    return (functional.pad(images, (left, right, top, bottom)),)


def _zeros(convolution: nn.Conv2d, places: int, axis: int) -> tuple[int, int]:
    """How many zeros before and behind `places`, so that ceil(places / stride) come out."""
    stride = convolution.stride[axis]
    reach = convolution.dilation[axis] * (convolution.kernel_size[axis] - 1) + 1
    total = max(0, (-(-places // stride) - 1) * stride + reach - places)
    return total // 2, total - total // 2
