"""Layers of a convolutional network by hand: the same few weights at every place of a picture.

Each forward stands beside its backward, as in `layers`. Shapes: N pictures, C channels in, O channels
out, H x W places, a kernel of A x B places. A loop runs over the places of the kernel only: for each,
all places of all pictures at once. What does not fit is refused as in `layers`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bluebird.scratch import checks


def conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0) -> Tensor:
    """A linear layer that slides: x (N, C, H, W), weight (O, C, A, B), bias (O,) to (N, O, H', W').

    H' = (H + 2 padding - A) // stride + 1, and W' likewise; beyond the edge all is zero.
    """
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    _check_conv(x, weight, stride, padding)
    checks.shapes(weight=(weight, "O C A B"), bias=(bias, "O"))
    # y_noij = b_o + sum_cab w_ocab x_nc(i s + a)(j s + b)
    y = bias[:, None, None]
    for a, b, seen in _windows(_pad(x, padding), weight.shape[2:], stride):
        y = y + torch.einsum("nchw,oc->nohw", seen, weight[:, :, a, b])
    checks.finite_result(y, x=x, weight=weight, bias=bias)
    return y


def conv_grad_x(grad_out: Tensor, weight: Tensor, x: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Gradient of x (N, C, H, W) from grad_out (N, O, H', W'): a pixel is seen through every weight of the kernel."""
    _check_conv_blame(grad_out, x, weight, stride, padding)
    grad_padded = torch.zeros_like(_pad(x, padding))
    for a, b, back in _windows(grad_padded, weight.shape[2:], stride):
        # dE/dx_nc(i s + a)(j s + b) += sum_o dE/dy_noij w_ocab
        back += torch.einsum("nohw,oc->nchw", grad_out, weight[:, :, a, b])
    return _unpad(grad_padded, padding)


def conv_grad_parameters(
    grad_out: Tensor, x: Tensor, weight: Tensor, *, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor]:
    """Gradients of weight (O, C, A, B) and bias (O,): they serve every place, so they are sums over all of them."""
    _check_conv_blame(grad_out, x, weight, stride, padding)
    grad_weight = torch.empty_like(weight)
    for a, b, seen in _windows(_pad(x, padding), weight.shape[2:], stride):
        # dE/dw_ocab = sum_nij dE/dy_noij x_nc(i s + a)(j s + b)
        grad_weight[:, :, a, b] = torch.einsum("nohw,nchw->oc", grad_out, seen)
    # dE/db_o = sum_nij dE/dy_noij
    return grad_weight, grad_out.sum((0, 2, 3))


def max_pool(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The strongest of each size x size places, (N, C, H, W) to (N, C, H // size, W // size), and which one it was."""
    _check_pool(x, size)
    places = torch.stack([seen for _, _, seen in _windows(x, (size, size), size)])  # (size^2, N, C, H', W')
    which = places.argmax(0)
    # y_ij = max_ab x_(i s + a)(j s + b)
    return places.gather(0, which[None])[0], which


def max_pool_backward(grad_out: Tensor, which: Tensor, x: Tensor, size: int) -> Tensor:
    """All blame to the strongest; the others had no influence."""
    _check_pool_blame(grad_out, x, size)
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
    _check_pool_blame(grad_out, x, size)
    grad = torch.zeros_like(x)
    for _, _, back in _windows(grad, (size, size), size):
        # dE/dx_(i s + a)(j s + b) = 1/s^2 dE/dy_ij
        back += grad_out / size**2
    return grad


def batch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (C,) of each channel over all pictures and places of x (N, C, H, W)."""
    checks.shapes(x=(x, "N C H W"))
    checks.finite(x=x)
    mean = x.mean((0, 2, 3))
    return mean, (x - mean[:, None, None]).square().mean((0, 2, 3))


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
    checks.shapes(x=(x, "N C H W"), scale=(scale, "C"), shift=(shift, "C"), mean=(mean, "C"), variance=(variance, "C"))
    steepness = (variance + eps).rsqrt()
    # xhat = (x - mean) / sqrt(variance + eps)
    normalised = (x - mean[:, None, None]) * steepness[:, None, None]
    # y = gamma xhat + beta
    y = scale[:, None, None] * normalised + shift[:, None, None]
    checks.finite_result(y, x=x, scale=scale, shift=shift, mean=mean, variance=variance)
    return y, normalised, steepness


def batch_norm_grad_x(
    grad_out: Tensor, normalised: Tensor, steepness: Tensor, scale: Tensor, *, own_statistics: bool
) -> Tensor:
    """Gradient of x (N, C, H, W); `own_statistics` tells whether mean and variance were the batch's own.

    With statistics kept from training a value moves its own output only. With the batch's own it moves
    all outputs of its channel in three ways: itself, through the mean and through the variance. The
    derivatives of the last two are -1/M and -xhat/M of a standard deviation for each of the M = N H W
    values of the channel, which takes the mean and the share along xhat out of the gradient.
    """
    _check_norm_blame(grad_out, normalised, scale)
    # g = dE/dxhat = gamma dE/dy
    grad = grad_out * scale[:, None, None]
    if own_statistics:
        # g - mean(g) - xhat mean(g xhat)
        along = normalised * (grad * normalised).mean((0, 2, 3), keepdim=True)
        grad = grad - grad.mean((0, 2, 3), keepdim=True) - along
    # dE/dx = g / sqrt(variance + eps)
    return grad * steepness[:, None, None]


def batch_norm_grad_parameters(grad_out: Tensor, normalised: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of scale and shift (C,), which serve all pictures and places of a channel."""
    _check_norm_blame(grad_out, normalised, scale)
    # dE/dgamma = sum dE/dy xhat
    grad_scale = (grad_out * normalised).sum((0, 2, 3))
    # dE/dbeta = sum dE/dy
    grad_shift = grad_out.sum((0, 2, 3))
    return grad_scale, grad_shift


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
    checks.shapes(x=(x, "N C H W"), weight=(weight, "O C A B"))
    if stride < 1 or padding < 0:
        raise ValueError(f"stride is {stride} and padding {padding}; expected at least 1 and at least 0")
    if min(x.shape[2] + 2 * padding - weight.shape[2], x.shape[3] + 2 * padding - weight.shape[3]) < 0:
        raise ValueError(f"a kernel of {tuple(weight.shape[2:])} does not fit into {tuple(x.shape[2:])} places")


def _check_conv_blame(grad_out: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> None:
    _check_conv(x, weight, stride, padding)
    checks.shapes(grad_out=(grad_out, "N O h w"), x=(x, "N C H W"), weight=(weight, "O C A B"))
    sides = tuple((x.shape[n] + 2 * padding - weight.shape[n]) // stride + 1 for n in (2, 3))
    if tuple(grad_out.shape[2:]) != sides:
        raise ValueError(f"grad_out has {tuple(grad_out.shape[2:])} places; the convolution gives {sides}")
    checks.finite(grad_out=grad_out)


def _check_pool(x: Tensor, size: int) -> None:
    checks.shapes(x=(x, "N C H W"))
    if not 1 <= size <= min(x.shape[2:]):
        raise ValueError(f"a pool of {size} x {size} places does not fit into {tuple(x.shape[2:])}")
    checks.finite(x=x)


def _check_pool_blame(grad_out: Tensor, x: Tensor, size: int) -> None:
    n, c, h, w = x.shape
    if grad_out.shape != (n, c, h // size, w // size):
        raise ValueError(f"grad_out has the shape {tuple(grad_out.shape)}; expected {(n, c, h // size, w // size)}")
    checks.floating("grad_out", grad_out)
    checks.finite(grad_out=grad_out)


def _check_norm_blame(grad_out: Tensor, normalised: Tensor, scale: Tensor) -> None:
    checks.same_shape("grad_out", grad_out, "the normalised x", normalised)
    checks.shapes(grad_out=(grad_out, "N C H W"), scale=(scale, "C"))
    checks.finite(grad_out=grad_out)
