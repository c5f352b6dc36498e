"""Layers of a perceptron by hand: each forward beside its backward, on plain tensors.

A backward takes `grad_out`, dE/d(output), and gives dE/d(input) and dE/d(each parameter): the chain rule,
one link at a time. Shapes: N pictures, D inputs and U units of a layer, K classes.

Every function raises `ValueError` for shapes that do not fit and for nan or infinity, `TypeError` for whole
numbers, and names what it saw.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bluebird.scratch import checks
from bluebird.scratch.checks import checked


@checked(x="N D", weight="U D", bias="U")
def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Every unit adds up what comes in: x (N, D), weight (U, D), bias (U,) to (N, U).

    While it multiplies, the pictures stand in columns, (D, N) and (U, N): for few pictures and many units
    that is the order in which a CPU multiplies quicker.
    """
    # y_nu = b_u + sum_d w_ud x_nd
    return torch.addmm(bias[:, None], weight, x.T).T


@checked(grad_out="N U", weight="U D")
def linear_grad_x(grad_out: Tensor, weight: Tensor) -> Tensor:
    """Gradient of x (N, D) from grad_out (N, U): y_nu depends on x_nd through w_ud, for every unit u."""
    # dE/dx_nd = sum_u dE/dy_nu w_ud
    return (weight.T @ grad_out.T).T


@checked(grad_out="N U", x="N D")
def linear_grad_parameters(
    grad_out: Tensor, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Gradients of weight (U, D) and bias (U,) from grad_out (N, U).

    y_nu depends on w_ud through x_nd and on b_u through 1; a weight and a bias serve all N pictures, so
    their gradients are sums over n. `weight` and `bias` are the gradients of an earlier step, whose memory
    is used again: it is as much as the parameters take, and still lies in the processor's cache.
    """
    # dE/dw_ud = sum_n dE/dy_nu x_nd
    grad_weight = torch.mm(grad_out.T, x, out=weight)
    # dE/db_u = sum_n dE/dy_nu
    grad_bias = torch.sum(grad_out, 0, out=bias)
    return grad_weight, grad_bias


def draw_mask(
    shape: tuple[int, ...], rate: float, generator: Generator | None = None, device: torch.device | None = None
) -> Tensor:
    """Which units work in this step: True with probability 1 - `rate`."""
    checks.share("the dropout rate", rate)
    return torch.rand(shape, generator=generator, device=device) >= rate


@checked(x="*", mask="bool *", also=checks.rate_fits)
def dropout(x: Tensor, mask: Tensor, rate: float) -> Tensor:
    """Units at rest give 0, the others 1 / (1 - rate) times as much, so that the mean stays what it was."""
    # y = x m / (1 - p)
    return x * (mask.to(x.dtype) / (1 - rate))


@checked(grad_out="*", mask="bool *", also=checks.rate_fits)
def dropout_backward(grad_out: Tensor, mask: Tensor, rate: float) -> Tensor:
    """The same mask again: a unit at rest had no influence, so it gets no blame."""
    # dE/dx = dE/dy m / (1 - p)
    return grad_out * (mask.to(grad_out.dtype) / (1 - rate))


@checked(logits="N K")
def softmax(logits: Tensor) -> Tensor:
    """Probabilities (N, K) of logits (N, K): p_k = exp(z_k) / sum_j exp(z_j).

    Taking the largest logit from all of them changes nothing, for it cancels, and keeps exp finite.
    """
    powers = torch.exp(logits - logits.amax(1, keepdim=True))
    return powers / powers.sum(1, keepdim=True)


def spread(
    targets: Tensor,
    num_classes: int,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """What the loss wants of each probability: targets int64 (N,) to shares `dtype` (N, K) of the mean over N.

    A share `smoothing` of the target's goes in equal parts to all K classes; `weights` (K,) let some
    classes count more, against the sum of the targets' weights.
    """
    if targets.is_floating_point():
        raise TypeError(f"targets holds {targets.dtype}; expected int64 class numbers")
    if targets.ndim != 1 or not len(targets):
        raise ValueError(f"targets has the shape {tuple(targets.shape)}; expected (N,), not empty")
    lowest, highest = int(targets.min()), int(targets.max())
    if lowest < 0 or highest >= num_classes:
        wrong = lowest if lowest < 0 else highest
        raise ValueError(f"targets holds {wrong}; expected class numbers from 0 to {num_classes - 1}")
    # q_nk = w_k s / K, and for the target another w_k (1 - s); all over the sum of the targets' w
    weights = torch.ones(num_classes) if weights is None else weights
    weights = weights.to(targets.device, dtype)
    of_targets = weights[targets]
    wanted = (smoothing / num_classes * weights).expand(len(targets), -1).clone()
    wanted.scatter_add_(1, targets[:, None], (1 - smoothing) * of_targets[:, None])
    return wanted / of_targets.sum()


@checked(logits="N K", wanted="N K")
def cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    """How surprised the network is by the truth: -sum_nk q_nk log p_nk, with q the wanted shares of `spread`."""
    # log p_k = z_k - log sum_j exp(z_j)
    shifted = logits - logits.amax(1, keepdim=True)
    return -(wanted * (shifted - shifted.exp().sum(1, keepdim=True).log())).sum()


@checked(probs="N K", wanted="N K", also=checks.rows_sum_to_one)
def cross_entropy_backward(probs: Tensor, wanted: Tensor) -> Tensor:
    """Gradient of the logits (N, K), from the probabilities that softmax made of them.

    d log p_j / dz_k is 1 where j = k, less p_k: what is left is how far each probability lies from what
    is wanted. For one plain target in each row, (p - [k = target]) / N.

    Raises:
        ValueError: rows of `probs` that do not sum to one.
    """
    # dE/dz_nk = p_nk sum_j q_nj - q_nk
    return probs * wanted.sum(1, keepdim=True) - wanted


@checked(y="*", truth="*")
def mse(y: Tensor, truth: Tensor) -> Tensor:
    """The mean of the squared errors over all elements."""
    return (y - truth).square().mean()


@checked(y="*", truth="*")
def mse_backward(y: Tensor, truth: Tensor) -> Tensor:
    """Gradient of y: the square brings down a 2, the mean divides by the number of elements."""
    # dE/dy = 2 (y - t) / M
    return 2 * (y - truth) / y.numel()
