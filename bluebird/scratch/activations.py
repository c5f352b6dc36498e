"""Activations by hand: what a neuron adds up, u, becomes what it passes on, o; each of any shape.

Without one between them, linear layers collapse into one (`seven.collapse`). Some find their slope from
their output, others need their input again. What does not fit is refused as in `layers`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bluebird.scratch.checks import checked


@checked(u="*")
def sigmoid(u: Tensor) -> Tensor:
    """A gate between 0 and 1: o = 1 / (1 + exp(-u))."""
    return torch.sigmoid(u)


@checked(grad_out="*", o="*")
def sigmoid_backward(grad_out: Tensor, o: Tensor) -> Tensor:
    """From the output alone: do/du = exp(-u) / (1 + exp(-u))^2 = o (1 - o)."""
    # dE/du = dE/do o (1 - o)
    return grad_out * o * (1 - o)


@checked(u="*")
def tanh(u: Tensor) -> Tensor:
    """A gate between -1 and 1."""
    return torch.tanh(u)


@checked(grad_out="*", o="*")
def tanh_backward(grad_out: Tensor, o: Tensor) -> Tensor:
    """From the output alone: do/du = 1 - tanh(u)^2."""
    # dE/du = dE/do (1 - o^2)
    return grad_out * (1 - o * o)


@checked(u="*")
def relu(u: Tensor) -> Tensor:
    """A gate that is shut below zero: o = max(u, 0)."""
    return u.clamp(min=0)


@checked(grad_out="*", o="*")
def relu_backward(grad_out: Tensor, o: Tensor) -> Tensor:
    """From the output alone: do/du is 1 where the gate is open; at the corner, 0 is the usual choice."""
    # dE/du = dE/do [o > 0], and the sign of what is never below zero is 0 or 1
    return grad_out * o.sign()


@checked(u="*")
def gelu(u: Tensor) -> Tensor:
    """o = u Phi(u), the input weighted by how much of a normal distribution lies below it.

    Source: Hendrycks & Gimpel 2016 (arXiv 1606.08415), eq. 1, exact form.
    """
    return u * _normal_below(u)


@checked(grad_out="*", u="*")
def gelu_backward(grad_out: Tensor, u: Tensor) -> Tensor:
    """By the product rule, with Phi' = phi, the normal density."""
    # dE/du = dE/do (Phi(u) + u phi(u))
    density = torch.exp(-u * u / 2) / math.sqrt(2 * math.pi)
    return grad_out * (_normal_below(u) + u * density)


@checked(u="*")
def silu(u: Tensor) -> Tensor:
    """o = u s, with s = 1 / (1 + exp(-u)): the input through its own sigmoid gate."""
    return u * torch.sigmoid(u)


@checked(grad_out="*", u="*")
def silu_backward(grad_out: Tensor, u: Tensor) -> Tensor:
    """By the product rule, with s' = s (1 - s)."""
    # dE/du = dE/do (s + u s (1 - s))
    s = torch.sigmoid(u)
    return grad_out * (s + u * s * (1 - s))


def _normal_below(u: Tensor) -> Tensor:
    return (1 + torch.erf(u / math.sqrt(2))) / 2
