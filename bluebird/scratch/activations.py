"""Activations by hand: what a neuron adds up, u, becomes what it passes on, o; each of any shape.

Without one between them, linear layers collapse into one (`seven.collapse`). Some find their slope from
their output, others need their input again. What does not fit is refused as in `layers`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bluebird.scratch import checks


def sigmoid(u: Tensor) -> Tensor:
    """A gate between 0 and 1: o = 1 / (1 + exp(-u))."""
    _check_gate(u)
    return torch.sigmoid(u)


def sigmoid_backward(grad_out: Tensor, o: Tensor) -> Tensor:
    """From the output alone: do/du = exp(-u) / (1 + exp(-u))^2 = o (1 - o)."""
    _check_blame(grad_out, o)
    # dE/du = dE/do o (1 - o)
    return grad_out * o * (1 - o)


def tanh(u: Tensor) -> Tensor:
    """A gate between -1 and 1."""
    _check_gate(u)
    return torch.tanh(u)


def tanh_backward(grad_out: Tensor, o: Tensor) -> Tensor:
    """From the output alone: do/du = 1 - tanh(u)^2."""
    _check_blame(grad_out, o)
    # dE/du = dE/do (1 - o^2)
    return grad_out * (1 - o * o)


def relu(u: Tensor) -> Tensor:
    """A gate that is shut below zero: o = max(u, 0)."""
    _check_gate(u)
    return u.clamp(min=0)


def relu_backward(grad_out: Tensor, o: Tensor) -> Tensor:
    """From the output alone: do/du is 1 where the gate is open; at the corner, 0 is the usual choice."""
    _check_blame(grad_out, o)
    # dE/du = dE/do [o > 0], and the sign of what is never below zero is 0 or 1
    return grad_out * o.sign()


def gelu(u: Tensor) -> Tensor:
    """o = u Phi(u), the input weighted by how much of a normal distribution lies below it.

    Source: Hendrycks & Gimpel 2016 (arXiv 1606.08415), eq. 1, exact form.
    """
    _check_gate(u)
    return u * _normal_below(u)


def gelu_backward(grad_out: Tensor, u: Tensor) -> Tensor:
    """By the product rule, with Phi' = phi, the normal density."""
    _check_blame(grad_out, u)
    # dE/du = dE/do (Phi(u) + u phi(u))
    density = torch.exp(-u * u / 2) / math.sqrt(2 * math.pi)
    return grad_out * (_normal_below(u) + u * density)


def silu(u: Tensor) -> Tensor:
    """o = u s, with s = 1 / (1 + exp(-u)): the input through its own sigmoid gate."""
    _check_gate(u)
    return u * torch.sigmoid(u)


def silu_backward(grad_out: Tensor, u: Tensor) -> Tensor:
    """By the product rule, with s' = s (1 - s)."""
    _check_blame(grad_out, u)
    # dE/du = dE/do (s + u s (1 - s))
    s = torch.sigmoid(u)
    return grad_out * (s + u * s * (1 - s))


def _normal_below(u: Tensor) -> Tensor:
    return (1 + torch.erf(u / math.sqrt(2))) / 2


def _check_gate(u: Tensor) -> None:
    checks.floating("u", u)
    checks.finite(u=u)


def _check_blame(grad_out: Tensor, remembered: Tensor) -> None:
    checks.same_shape("grad_out", grad_out, "what the gate remembers", remembered)
    checks.finite(grad_out=grad_out)
