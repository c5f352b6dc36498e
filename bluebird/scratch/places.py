"""Layers of a convolutional network by hand: the same few weights at every place of a picture.

Each forward stands beside its backward, as in `layers`. Shapes: N pictures, C channels in, O channels
out, H x W places, a kernel of A x B places. A loop runs over the places of the kernel only: for each,
all places of all pictures at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0) -> Tensor:
    """A linear layer that slides: x (N, C, H, W), weight (O, C, A, B), bias (O,) to (N, O, H', W').

    H' = (H + 2 padding - A) // stride + 1, and W' likewise; beyond the edge all is zero.
    """
    _check_conv(x, weight, stride, padding)
    padded = _pad(x, padding)
    # y_noij = b_o + sum_cab w_ocab x_nc(i s + a)(j s + b)
    out = torch.zeros(()) if bias is None else bias[None, :, None, None]
    for a, b, seen in _windows(padded, weight.shape[2:], stride):
        out = out + torch.einsum("nchw,oc->nohw", seen, weight[:, :, a, b])
    return out


def conv_backward(
    grad_out: Tensor, x: Tensor, weight: Tensor, *, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x (N, C, H, W), weight (O, C, A, B) and bias (O,) from grad_out (N, O, H', W').

    A weight serves every place, so its gradient is a sum over all of them; a pixel is seen through
    every weight of the kernel, so its gradient is a sum over those.
    """
    padded = _pad(x, padding)
    grad_padded, grad_weight = torch.zeros_like(padded), torch.zeros_like(weight)
    passed = _windows(grad_padded, weight.shape[2:], stride)
    for (a, b, seen), (_, _, back) in zip(_windows(padded, weight.shape[2:], stride), passed, strict=True):
        # dE/dw_ocab = sum_nij dE/dy_noij x_nc(i s + a)(j s + b)
        grad_weight[:, :, a, b] = torch.einsum("nohw,nchw->oc", grad_out, seen)
        # dE/dx_nc(i s + a)(j s + b) += sum_o dE/dy_noij w_ocab
        back += torch.einsum("nohw,oc->nchw", grad_out, weight[:, :, a, b])
    # dE/db_o = sum_nij dE/dy_noij
    return _unpad(grad_padded, padding), grad_weight, grad_out.sum((0, 2, 3))


def max_pool(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The strongest of each size x size places, (N, C, H, W) to (N, C, H // size, W // size), and which one it was."""
    _check_pool(x, size)
    places = torch.stack([seen for _, _, seen in _windows(x, (size, size), size)])  # (size^2, N, C, H', W')
    which = places.argmax(0)
    # y_ij = max_ab x_(i s + a)(j s + b)
    return places.gather(0, which[None])[0], which


def max_pool_backward(grad_out: Tensor, which: Tensor, x: Tensor, size: int) -> Tensor:
    """All blame to the strongest; the others had no influence."""
    grad = torch.zeros_like(x)
    for number, (_, _, back) in enumerate(_windows(grad, (size, size), size)):
        # dE/dx_(i s + a)(j s + b) = dE/dy_ij [it was the strongest]
        back += grad_out * (which == number)
    return grad


def mean_pool(x: Tensor, size: int) -> Tensor:
    """The mean of each size x size places, (N, C, H, W) to (N, C, H // size, W // size)."""
    _check_pool(x, size)
    # y_ij = 1/s^2 sum_ab x_(i s + a)(j s + b)
    return torch.stack([seen for _, _, seen in _windows(x, (size, size), size)]).mean(0)


def mean_pool_backward(grad_out: Tensor, x: Tensor, size: int) -> Tensor:
    """The blame in equal parts."""
    grad = torch.zeros_like(x)
    for _, _, back in _windows(grad, (size, size), size):
        # dE/dx_(i s + a)(j s + b) = 1/s^2 dE/dy_ij
        back += grad_out / size**2
    return grad


def batch_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float = 1e-5) -> tuple[Tensor, Tensor, Tensor]:
    """Each channel to mean 0 and variance 1 over the batch, then scaled and shifted; x (N, C, H, W).

    Returns:
        the output (N, C, H, W), the normalised x (N, C, H, W) and 1 / sqrt(variance + eps) (C,), which
        the backward takes.

    Source: Ioffe & Szegedy 2015 (arXiv 1502.03167), algorithm 1.
    """
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = (x - mean).square().mean((0, 2, 3), keepdim=True)
    steepness = (variance + eps).rsqrt()
    # xhat = (x - mean) / sqrt(variance + eps)
    normalised = (x - mean) * steepness
    # y = gamma xhat + beta
    return scale[None, :, None, None] * normalised + shift[None, :, None, None], normalised, steepness.flatten()


def batch_norm_backward(
    grad_out: Tensor, normalised: Tensor, steepness: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x (N, C, H, W), scale (C,) and shift (C,).

    A value moves the output in three ways: itself, through the mean and through the variance. The
    derivatives of the last two are -1/M and -xhat/M of a standard deviation for each of the M = N H W
    values of the channel, which takes the mean and the share along xhat out of the gradient.
    """
    axes = (0, 2, 3)
    # dE/dgamma = sum dE/dy xhat
    grad_scale = (grad_out * normalised).sum(axes)
    # dE/dbeta = sum dE/dy
    grad_shift = grad_out.sum(axes)
    grad = grad_out * scale[None, :, None, None]
    # dE/dx = (g - mean(g) - xhat mean(g xhat)) / sqrt(variance + eps), with g = dE/dxhat = gamma dE/dy
    along = normalised * (grad * normalised).mean(axes, keepdim=True)
    grad_x = (grad - grad.mean(axes, keepdim=True) - along) * steepness[None, :, None, None]
    return grad_x, grad_scale, grad_shift


def _windows(x: Tensor, kernel: tuple[int, ...] | torch.Size, stride: int) -> Iterator[tuple[int, int, Tensor]]:
    """For each place (a, b) of the kernel, the view (N, C, H', W') of x that it sees as it slides."""
    rows = (x.shape[2] - kernel[0]) // stride + 1
    cols = (x.shape[3] - kernel[1]) // stride + 1
    for a in range(kernel[0]):
        for b in range(kernel[1]):
            yield a, b, x[:, :, a : a + (rows - 1) * stride + 1 : stride, b : b + (cols - 1) * stride + 1 : stride]


def _pad(x: Tensor, padding: int) -> Tensor:
    n, c, h, w = x.shape
    padded = x.new_zeros(n, c, h + 2 * padding, w + 2 * padding)
    padded[:, :, padding : padding + h, padding : padding + w] = x
    return padded


def _unpad(x: Tensor, padding: int) -> Tensor:
    return x[:, :, padding : x.shape[2] - padding, padding : x.shape[3] - padding]


def _check_conv(x: Tensor, weight: Tensor, stride: int, padding: int) -> None:
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ValueError(
            f"x has the shape {tuple(x.shape)} and weight {tuple(weight.shape)}; expected (N, C, H, W) and (O, C, A, B)"
        )
    if stride < 1 or padding < 0:
        raise ValueError(f"stride is {stride} and padding {padding}; expected at least 1 and at least 0")
    if min(x.shape[2] + 2 * padding - weight.shape[2], x.shape[3] + 2 * padding - weight.shape[3]) < 0:
        raise ValueError(f"a kernel of {tuple(weight.shape[2:])} does not fit into {tuple(x.shape[2:])} places")


def _check_pool(x: Tensor, size: int) -> None:
    if x.ndim != 4 or not 1 <= size <= min(x.shape[2:]):
        raise ValueError(f"x has the shape {tuple(x.shape)} and the pool {size} places; expected it to fit")
