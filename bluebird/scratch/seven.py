"""A whole neural network in seven numbers: one input, two hidden neurons, one output.

               .-- u11 | o11 --.
        x ----<                 >---- u21 = o21 = f(x)
               '-- u12 | o12 --'

    theta0, theta1   where each hidden neuron switches      theta4           lifts the output
    theta2, theta3   how steeply it switches                theta5, theta6   how much of each neuron goes in

`forward` gives every u (what a neuron adds up) and o (what it passes on) by name; `backward` gives the
seven gradients, each below its equation. Both take one point or a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Activation = Literal["sigmoid", "linear"]
Loss = Literal["half", "mse"]


@dataclass(frozen=True)
class Neurons:
    """Every value on the way from x to f(x); each of the shape of x."""

    u11: Tensor
    u12: Tensor
    o11: Tensor
    o12: Tensor
    u21: Tensor
    o21: Tensor


def forward(theta: Tensor, x: Tensor, activation: Activation = "sigmoid") -> Neurons:
    """The values of all neurons for theta float (7,) and x float () or (N,).

    Raises:
        ValueError: shapes that do not fit, or a number that is not finite.
        TypeError: tensors of whole numbers.
    """
    _check(theta, x)
    t0, t1, t2, t3, t4, t5, t6 = theta
    # u11 = theta0 + theta2 x
    u11 = t0 + t2 * x
    # u12 = theta1 + theta3 x
    u12 = t1 + t3 * x
    # o = 1 / (1 + exp(-u)), or o = u where the activation is linear
    o11, o12 = (u11, u12) if activation == "linear" else (torch.sigmoid(u11), torch.sigmoid(u12))
    # u21 = theta4 + theta5 o11 + theta6 o12
    u21 = t4 + t5 * o11 + t6 * o12
    # o21 = u21 = f(x): the output is linear, for it shall reach any number
    return Neurons(u11, u12, o11, o12, u21, o21=u21)


def error(theta: Tensor, x: Tensor, y: Tensor, activation: Activation = "sigmoid", loss: Loss = "half") -> Tensor:
    """E = 1/2 (y - f(x))^2, or (y - f(x))^2 for the loss `mse`; for a batch the mean over its points."""
    squares = (y - forward(theta, x, activation).o21).square().mean()
    return squares / 2 if loss == "half" else squares


def backward(theta: Tensor, x: Tensor, y: Tensor, activation: Activation = "sigmoid", loss: Loss = "half") -> Tensor:
    """The gradients dE/dtheta0 ... dE/dtheta6 as float (7,); for a batch the mean over its points.

    By the chain rule, from the output back to the input. With E = 1/2 (y - f)^2 the 2 of the square
    and the 1/2 cancel; without the 1/2 (loss `mse`) every gradient is twice as large.
    """
    _check(theta, x, y)
    _, _, _, _, _, t5, t6 = theta
    n = forward(theta, x, activation)
    # Delta = dE/df = -(y - f(x)), or 2 of it
    delta = -(y - n.o21) if loss == "half" else -2 * (y - n.o21)
    # do/du = o (1 - o) of a sigmoid; 1 of a linear activation
    slope11, slope12 = (
        (torch.ones_like(n.o11), torch.ones_like(n.o12))
        if activation == "linear"
        else (n.o11 * (1 - n.o11), n.o12 * (1 - n.o12))
    )
    # dE/dtheta0 = Delta theta5 o11 (1 - o11)
    g0 = delta * t5 * slope11
    # dE/dtheta1 = Delta theta6 o12 (1 - o12)
    g1 = delta * t6 * slope12
    # dE/dtheta2 = Delta theta5 o11 (1 - o11) x
    g2 = delta * t5 * slope11 * x
    # dE/dtheta3 = Delta theta6 o12 (1 - o12) x
    g3 = delta * t6 * slope12 * x
    # dE/dtheta4 = Delta
    g4 = delta
    # dE/dtheta5 = Delta o11
    g5 = delta * n.o11
    # dE/dtheta6 = Delta o12
    g6 = delta * n.o12
    return torch.stack([g.mean() for g in (g0, g1, g2, g3, g4, g5, g6)])


def collapse(theta: Tensor) -> tuple[Tensor, Tensor]:
    """Intercept and slope of the straight line that the network is when its activation is linear.

    f(x) = theta4 + theta5 (theta0 + theta2 x) + theta6 (theta1 + theta3 x): seven numbers, two of use.
    """
    t0, t1, t2, t3, t4, t5, t6 = theta
    return t4 + t5 * t0 + t6 * t1, t5 * t2 + t6 * t3


def _check(theta: Tensor, x: Tensor, y: Tensor | None = None) -> None:
    if theta.shape != (7,):
        raise ValueError(f"theta has the shape {tuple(theta.shape)}; expected (7,)")
    if x.ndim > 1 or x.numel() == 0:
        raise ValueError(f"x has the shape {tuple(x.shape)}; expected one point () or a batch (N,)")
    if y is not None and y.shape != x.shape:
        raise ValueError(f"y has the shape {tuple(y.shape)}; expected that of x, {tuple(x.shape)}")
    for name, value in (("theta", theta), ("x", x), ("y", y)):
        if value is None:
            continue
        if not value.is_floating_point():
            raise TypeError(f"{name} holds {value.dtype}; expected floating point")
        if not value.isfinite().all():
            raise ValueError(f"{name} holds {value[~value.isfinite()][0]}; expected finite numbers")
