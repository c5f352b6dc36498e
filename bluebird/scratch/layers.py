"""Layers of a perceptron by hand: each forward beside its backward, on plain tensors.

A backward takes `grad_out`, dE/d(output), and gives dE/d(input) and dE/d(each parameter): the chain rule,
one link at a time. Shapes: N pictures, D inputs and U units of a layer, K classes.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Every unit adds up what comes in: x (N, D), weight (U, D), bias (U,) to (N, U)."""
    _same("the last axis of x", x.shape[-1], "that of weight", weight.shape[-1])
    # y_nu = sum_d x_nd w_ud + b_u
    return x @ weight.T + bias


def linear_backward(grad_out: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x (N, D), weight (U, D) and bias (U,) from grad_out (N, U).

    y_nu depends on x_nd through w_ud, on w_ud through x_nd, on b_u through 1; a weight and a bias serve
    all N pictures, so their gradients are sums over n.
    """
    # dE/dx_nd = sum_u dE/dy_nu w_ud
    grad_x = grad_out @ weight
    # dE/dw_ud = sum_n dE/dy_nu x_nd
    grad_weight = grad_out.T @ x
    # dE/db_u = sum_n dE/dy_nu
    grad_bias = grad_out.sum(0)
    return grad_x, grad_weight, grad_bias


def sigmoid(u: Tensor) -> Tensor:
    """A gate between 0 and 1: o = 1 / (1 + exp(-u))."""
    return torch.sigmoid(u)


def sigmoid_backward(grad_out: Tensor, o: Tensor) -> Tensor:
    """From the output alone: do/du = exp(-u) / (1 + exp(-u))^2 = o (1 - o)."""
    # dE/du = dE/do o (1 - o)
    return grad_out * o * (1 - o)


def tanh(u: Tensor) -> Tensor:
    """A gate between -1 and 1."""
    return torch.tanh(u)


def tanh_backward(grad_out: Tensor, o: Tensor) -> Tensor:
    """From the output alone: do/du = 1 - tanh(u)^2."""
    # dE/du = dE/do (1 - o^2)
    return grad_out * (1 - o * o)


def relu(u: Tensor) -> Tensor:
    """A gate that is shut below zero: o = max(u, 0)."""
    return u.clamp(min=0)


def relu_backward(grad_out: Tensor, o: Tensor) -> Tensor:
    """From the output alone: do/du is 1 where the gate is open; at the corner, 0 is the usual choice."""
    # dE/du = dE/do [o > 0]
    return grad_out * (o > 0)


def gelu(u: Tensor) -> Tensor:
    """o = u Phi(u), the input weighted by how much of a normal distribution lies below it.

    Source: Hendrycks & Gimpel 2016 (arXiv 1606.08415), eq. 1, exact form.
    """
    return u * _normal_below(u)


def gelu_backward(grad_out: Tensor, u: Tensor) -> Tensor:
    """By the product rule, with Phi' = phi, the normal density."""
    # dE/du = dE/do (Phi(u) + u phi(u))
    density = torch.exp(-u * u / 2) / math.sqrt(2 * math.pi)
    return grad_out * (_normal_below(u) + u * density)


def silu(u: Tensor) -> Tensor:
    """o = u s, with s = 1 / (1 + exp(-u)): the input through its own sigmoid gate."""
    return u * torch.sigmoid(u)


def silu_backward(grad_out: Tensor, u: Tensor) -> Tensor:
    """By the product rule, with s' = s (1 - s)."""
    # dE/du = dE/do (s + u s (1 - s))
    s = torch.sigmoid(u)
    return grad_out * (s + u * s * (1 - s))


def draw_mask(shape: tuple[int, ...], rate: float, generator: Generator | None = None) -> Tensor:
    """Which units work in this step: True with probability 1 - `rate`."""
    _check_rate(rate)
    return torch.rand(shape, generator=generator) >= rate


def dropout(x: Tensor, mask: Tensor, rate: float) -> Tensor:
    """Units at rest give 0, the others 1 / (1 - rate) times as much, so that the mean stays what it was."""
    _check_rate(rate)
    # y = x m / (1 - p)
    return x * mask / (1 - rate)


def dropout_backward(grad_out: Tensor, mask: Tensor, rate: float) -> Tensor:
    """The same mask again: a unit at rest had no influence, so it gets no blame."""
    # dE/dx = dE/dy m / (1 - p)
    return grad_out * mask / (1 - rate)


def softmax(logits: Tensor) -> Tensor:
    """Probabilities (N, K) of logits (N, K): p_k = exp(z_k) / sum_j exp(z_j).

    Taking the largest logit from all of them changes nothing, for it cancels, and keeps exp finite.
    """
    powers = torch.exp(logits - logits.amax(1, keepdim=True))
    return powers / powers.sum(1, keepdim=True)


def spread(targets: Tensor, num_classes: int, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """What the loss wants of each probability: targets int64 (N,) to shares (N, K), float64, of the mean over N.

    A share `smoothing` of the target's goes in equal parts to all K classes; `weights` (K,) let some
    classes count more, against the sum of the targets' weights.
    """
    if targets.is_floating_point():
        raise TypeError(f"targets holds {targets.dtype}; expected int64 class numbers")
    if not 0 <= int(targets.min()) <= int(targets.max()) < num_classes:
        wrong = targets[(targets < 0) | (targets >= num_classes)][0]
        raise ValueError(f"targets holds {int(wrong)}; expected class numbers from 0 to {num_classes - 1}")
    weights = torch.ones(num_classes) if weights is None else weights
    weights = weights.to(targets.device, torch.float64)
    wanted = (smoothing / num_classes) * weights.expand(len(targets), -1).clone()
    wanted[torch.arange(len(targets)), targets] += (1 - smoothing) * weights[targets]
    return wanted / weights[targets].sum()


def cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    """How surprised the network is by the truth: -sum_nk q_nk log p_nk, with q the wanted shares of `spread`."""
    _same("the shape of logits", tuple(logits.shape), "that of wanted", tuple(wanted.shape))
    # log p_k = z_k - log sum_j exp(z_j)
    shifted = logits - logits.amax(1, keepdim=True)
    return -(wanted * (shifted - shifted.exp().sum(1, keepdim=True).log())).sum()


def cross_entropy_backward(probs: Tensor, wanted: Tensor) -> Tensor:
    """Gradient of the logits (N, K), from the probabilities that softmax made of them.

    d log p_j / dz_k is 1 where j = k, less p_k: what is left is how far each probability lies from what
    is wanted. For one plain target in each row, (p - [k = target]) / N.

    Raises:
        ValueError: rows of `probs` that do not sum to one.
    """
    _same("the shape of probs", tuple(probs.shape), "that of wanted", tuple(wanted.shape))
    sums = probs.sum(1)
    worst = float(sums[(sums - 1).abs().argmax()])
    if not abs(worst - 1) < 1e-3:
        raise ValueError(f"a row of probs sums to {worst:g}; expected 1")
    # dE/dz_nk = p_nk sum_j q_nj - q_nk
    return (probs * wanted.sum(1, keepdim=True) - wanted).to(probs.dtype)


def mse(y: Tensor, truth: Tensor) -> Tensor:
    """The mean of the squared errors over all elements."""
    _same("the shape of y", tuple(y.shape), "that of truth", tuple(truth.shape))
    return (y - truth).square().mean()


def mse_backward(y: Tensor, truth: Tensor) -> Tensor:
    """Gradient of y: the square brings down a 2, the mean divides by the number of elements."""
    # dE/dy = 2 (y - t) / M
    return 2 * (y - truth) / y.numel()


def _normal_below(u: Tensor) -> Tensor:
    return (1 + torch.erf(u / math.sqrt(2))) / 2


def _same(what: str, seen: object, other: str, expected: object) -> None:
    if seen != expected:
        raise ValueError(f"{what} is {seen}; expected {other}, {expected}")


def _check_rate(rate: float) -> None:
    if not 0 <= rate < 1:
        raise ValueError(f"the dropout rate is {rate}; expected a probability from 0 up to, not including, 1")
