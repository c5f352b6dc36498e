"""Layers of a convolutional network by hand: the same few weights at every place of a picture.

Each forward stands beside its backward, as in `layers`. Shapes: N pictures, C channels in, O channels
out, H x W places, a kernel of A x B places; inside, channels stand last in memory, (N, H, W, C). A loop
runs over the places of the kernel only: for each, all places of all pictures at once. What does not fit is
refused as in `layers`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bluebird.scratch.checks import checked, kernel_fits, pool_fits, seen_by_kernel, seen_by_pool


@checked(x="N C H W", weight="O C A B", bias="O", also=kernel_fits)
def conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0) -> Tensor:
    """A linear layer that slides: x (N, C, H, W), weight (O, C, A, B), bias (O,) to (N, O, H', W').

    H' = (H + 2 padding - A) // stride + 1, and W' likewise; beyond the edge all is zero. What the kernel
    sees at a place is a patch, one row of A B C numbers; over rows of patches it is a plain linear layer.
    """
    # y_noij = sum_cab w_ocab x_nc(i s + a)(j s + b) + b_o
    y = _patches(x, weight, stride, padding) @ _rows(weight).T  # (N, H', W', O)
    return (y if bias is None else y + bias).permute(0, 3, 1, 2)


@checked(grad_out="N O h w", x="N C H W", weight="O C A B", also=seen_by_kernel)
def conv_grad_x(grad_out: Tensor, x: Tensor, weight: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Gradient of x (N, C, H, W) from grad_out (N, O, H', W').

    Of a patch it is that of a linear layer; a pixel lies in many patches, and its gradient is their sum.
    """
    # dE/dpatch_nijabc = sum_o dE/dy_noij w_ocab
    grad_patches = (_last(grad_out) @ _rows(weight)).view(*_last(grad_out).shape[:3], *_last(weight).shape[1:])
    grad_padded = torch.zeros_like(_pad(x, padding))
    for a, b, back in _windows(grad_padded, weight.shape[2:], stride):
        # dE/dx_nc(i s + a)(j s + b) += dE/dpatch_nijabc
        back += grad_patches[:, :, :, a, b]
    return grad_padded[:, padding : padding + x.shape[2], padding : padding + x.shape[3]].permute(0, 3, 1, 2)


@checked(grad_out="N O h w", x="N C H W", weight="O C A B", also=seen_by_kernel)
def conv_grad_parameters(
    grad_out: Tensor, x: Tensor, weight: Tensor, *, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor]:
    """Gradients of weight (O, C, A, B) and bias (O,): they serve every place, so they are sums over all of them."""
    patches = _patches(x, weight, stride, padding).flatten(0, 2)
    # dE/dw_ocab = sum_nij dE/dy_noij x_nc(i s + a)(j s + b)
    o, c, a, b = weight.shape
    grad_weight = (_last(grad_out).flatten(0, 2).T @ patches).view(o, a, b, c).permute(0, 3, 1, 2)
    # dE/db_o = sum_nij dE/dy_noij
    return grad_weight, grad_out.sum((0, 2, 3))


@checked(x="N C H W", also=pool_fits)
def max_pool(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The strongest of each size x size places, (N, C, H, W) to (N, C, H // size, W // size), and which one it was."""
    places = torch.stack([seen for _, _, seen in _windows(_last(x), (size, size), size)])  # (size^2, N, H', W', C)
    # y_ij = max_ab x_(i s + a)(j s + b)
    y, which = places.max(0)
    return y.permute(0, 3, 1, 2), which.permute(0, 3, 1, 2)


@checked(grad_out="N C h w", x="N C H W", also=seen_by_pool)
def max_pool_backward(grad_out: Tensor, x: Tensor, size: int, which: Tensor) -> Tensor:
    """All blame to the strongest; the others had no influence."""
    grad = torch.zeros_like(x)
    for number, (_, _, back) in enumerate(_windows(_last(grad), (size, size), size)):
        # dE/dx_(i s + a)(j s + b) = dE/dy_ij [it was the strongest]
        back += _last(grad_out * (which == number))
    return grad


@checked(x="N C H W", also=pool_fits)
def mean_pool(x: Tensor, size: int) -> Tensor:
    """The mean of each size x size places, (N, C, H, W) to (N, C, H // size, W // size)."""
    # y_ij = 1/s^2 sum_ab x_(i s + a)(j s + b)
    return torch.stack([seen for _, _, seen in _windows(_last(x), (size, size), size)]).mean(0).permute(0, 3, 1, 2)


@checked(grad_out="N C h w", x="N C H W", also=seen_by_pool)
def mean_pool_backward(grad_out: Tensor, x: Tensor, size: int) -> Tensor:
    """The blame in equal parts."""
    grad = torch.zeros_like(x)
    for _, _, back in _windows(_last(grad), (size, size), size):
        # dE/dx_(i s + a)(j s + b) = 1/s^2 dE/dy_ij
        back += _last(grad_out) / size**2
    return grad


@checked(x="N C H W")
def batch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (C,) of each channel over all pictures and places of x (N, C, H, W)."""
    mean = x.mean((0, 2, 3))
    return mean, (x - mean[:, None, None]).square().mean((0, 2, 3))


@checked(x="N C H W", scale="C", shift="C", mean="C", variance="C")
def batch_norm(
    x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """Each channel brought to mean 0 and variance 1, then scaled and shifted; x (N, C, H, W), the others (C,).

    In training `mean` and `variance` are the batch's own, `batch_statistics(x)`; afterwards they are those
    kept from training, so that a picture's result does not depend on its neighbours.

    Returns:
        the output (N, C, H, W), the normalised x (N, C, H, W) and 1 / sqrt(variance + eps) (C,), which
        the backward takes.

    Source: Ioffe & Szegedy 2015 (arXiv 1502.03167), algorithms 1 and 2.
    """
    steepness = (variance + eps).rsqrt()
    # xhat = (x - mean) / sqrt(variance + eps)
    normalised = (x - mean[:, None, None]) * steepness[:, None, None]
    # y = gamma xhat + beta
    y = scale[:, None, None] * normalised + shift[:, None, None]
    return y, normalised, steepness


@checked(grad_out="N C H W", normalised="N C H W", steepness="C", scale="C")
def batch_norm_grad_x(
    grad_out: Tensor, normalised: Tensor, steepness: Tensor, scale: Tensor, *, own_statistics: bool
) -> Tensor:
    """Gradient of x (N, C, H, W); `own_statistics` tells whether mean and variance were the batch's own.

    With statistics kept from training a value moves its own output only. With the batch's own it moves
    all outputs of its channel in three ways: itself, through the mean and through the variance. The
    derivatives of the last two are -1/M and -xhat/M of a standard deviation for each of the M = N H W
    values of the channel, which takes the mean and the share along xhat out of the gradient.
    """
    # g = dE/dxhat = gamma dE/dy
    grad = grad_out * scale[:, None, None]
    if own_statistics:
        # g - mean(g) - xhat mean(g xhat)
        along = normalised * (grad * normalised).mean((0, 2, 3), keepdim=True)
        grad = grad - grad.mean((0, 2, 3), keepdim=True) - along
    # dE/dx = g / sqrt(variance + eps)
    return grad * steepness[:, None, None]


@checked(grad_out="N C H W", normalised="N C H W")
def batch_norm_grad_parameters(grad_out: Tensor, normalised: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of scale and shift (C,), which serve all pictures and places of a channel."""
    # dE/dgamma = sum dE/dy xhat
    grad_scale = (grad_out * normalised).sum((0, 2, 3))
    # dE/dbeta = sum dE/dy
    grad_shift = grad_out.sum((0, 2, 3))
    return grad_scale, grad_shift


def _windows(
    x: Tensor, kernel: tuple[int, ...] | torch.Size, stride: int
) -> Iterator[tuple[int, int, Tensor]]:  # fmt: skip
    """For each place (a, b) of the kernel, the view (N, H', W', C) of x (N, H, W, C) that it sees as it slides."""
    rows = (x.shape[1] - kernel[0]) // stride + 1
    cols = (x.shape[2] - kernel[1]) // stride + 1
    for a in range(kernel[0]):
        for b in range(kernel[1]):
            yield a, b, x[:, a : a + (rows - 1) * stride + 1 : stride, b : b + (cols - 1) * stride + 1 : stride]


def _patches(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """What the kernel sees at each place: (N, H', W', A B C)."""
    seen = [window for _, _, window in _windows(_pad(x, padding), weight.shape[2:], stride)]
    return torch.stack(seen, 3).flatten(3)


def _rows(weight: Tensor) -> Tensor:
    """A kernel (O, C, A, B) as the matrix (O, A B C) of a linear layer over patches."""
    return _last(weight).flatten(1)


def _last(x: Tensor) -> Tensor:
    """The view (N, H, W, C) of (N, C, H, W)."""
    return x.permute(0, 2, 3, 1)


def _pad(x: Tensor, padding: int) -> Tensor:
    """(N, C, H, W) to (N, H + 2 padding, W + 2 padding, C), zero beyond the edge."""
    n, c, h, w = x.shape
    padded = x.new_zeros(n, h + 2 * padding, w + 2 * padding, c)
    padded[:, padding : padding + h, padding : padding + w] = _last(x)
    return padded
