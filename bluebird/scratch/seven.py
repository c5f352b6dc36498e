"""A whole neural network in seven numbers: one input, two hidden neurons, one output.

               .-- u11 | o11 --.
        x ----<                 >---- u21 = o21 = f(x)
               '-- u12 | o12 --'

    theta0, theta1   with theta2, theta3: where each hidden neuron switches      theta4           shifts the output
    theta2, theta3   how steeply it switches                                     theta5, theta6   stretch each neuron

`forward` gives every u (what a neuron adds up) and o (what it passes on) by name; `backward` gives the
seven gradients, each below its equation; `learn` does both at the price of one. All take one point or a batch.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from bluebird.scratch.checks import checked

Activation = Literal["sigmoid", "linear"]
Loss = Literal["half", "mse"]


class Neurons(NamedTuple):
    """Every value on the way from x to f(x); each of the shape of x."""

    u11: Tensor
    u12: Tensor
    o11: Tensor
    o12: Tensor
    u21: Tensor
    o21: Tensor


def _one_axis_at_most(theta: Tensor, x: Tensor, *_: object, **__: object) -> None:
    if x.ndim > 1:
        raise ValueError(f"x has the shape {tuple(x.shape)}; expected one point () or a batch (N,)")


@checked(theta="7", x="*", also=_one_axis_at_most)
def forward(theta: Tensor, x: Tensor, activation: Activation = "sigmoid") -> Neurons:
    """The values of all neurons for theta float (7,) and x float () or (N,).

    Raises:
        ValueError: shapes that do not fit, or a number that is not finite.
        TypeError: tensors of whole numbers.
    """
    t0, t1, t2, t3, t4, t5, t6 = theta.unbind()
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


@checked(theta="7", x="*", y="*", also=_one_axis_at_most)
def error(theta: Tensor, x: Tensor, y: Tensor, activation: Activation = "sigmoid", loss: Loss = "half") -> Tensor:
    """E = 1/2 (y - f(x))^2, or (y - f(x))^2 for the loss `mse`; for a batch the mean over its points."""
    return _error(forward.unchecked(theta, x, activation).o21 - y, loss)


@checked(theta="7", x="*", y="*", also=_one_axis_at_most)
def backward(theta: Tensor, x: Tensor, y: Tensor, activation: Activation = "sigmoid", loss: Loss = "half") -> Tensor:
    """The gradients dE/dtheta0 ... dE/dtheta6 as float (7,); for a batch the mean over its points."""
    return learn.unchecked(theta, x, y, activation, loss)[1]


@checked(theta="7", x="*", y="*", also=_one_axis_at_most)
def learn(
    theta: Tensor, x: Tensor, y: Tensor, activation: Activation = "sigmoid", loss: Loss = "half"
) -> tuple[Tensor, Tensor]:
    """The error () and its seven gradients (7,), from one forward and one backward pass."""
    neurons = forward.unchecked(theta, x, activation)
    miss = neurons.o21 - y
    return _error(miss, loss), _backward(theta, x, miss, neurons, activation, loss)


def _error(miss: Tensor, loss: Loss) -> Tensor:
    squares = miss.square().mean()
    return squares / 2 if loss == "half" else squares


def _backward(theta: Tensor, x: Tensor, miss: Tensor, n: Neurons, activation: Activation, loss: Loss) -> Tensor:
    """By the chain rule, from the output back to the input.

    With E = 1/2 (y - f)^2 the 2 of the square and the 1/2 cancel; without the 1/2 (loss `mse`) every
    gradient is twice as large.
    """
    _, _, _, _, _, t5, t6 = theta.unbind()
    # Delta = dE/df = -(y - f(x)) = f(x) - y, or 2 of it
    delta = miss if loss == "half" else 2 * miss
    # dE/du = Delta theta5 do/du, with do/du = o (1 - o) of a sigmoid; 1 of a linear activation
    delta11, delta12 = delta * t5, delta * t6
    if activation == "sigmoid":
        delta11, delta12 = delta11 * n.o11 * (1 - n.o11), delta12 * n.o12 * (1 - n.o12)
    gradients = torch.stack([
        # dE/dtheta0 = Delta theta5 o11 (1 - o11)
        delta11,
        # dE/dtheta1 = Delta theta6 o12 (1 - o12)
        delta12,
        # dE/dtheta2 = Delta theta5 o11 (1 - o11) x
        delta11 * x,
        # dE/dtheta3 = Delta theta6 o12 (1 - o12) x
        delta12 * x,
        # dE/dtheta4 = Delta
        delta,
        # dE/dtheta5 = Delta o11
        delta * n.o11,
        # dE/dtheta6 = Delta o12
        delta * n.o12,
    ])  # fmt: skip
    return gradients if x.ndim == 0 else gradients.mean(1)


def collapse(theta: Tensor) -> tuple[Tensor, Tensor]:
    """Intercept and slope of the straight line that the network is when its activation is linear.

    f(x) = theta4 + theta5 (theta0 + theta2 x) + theta6 (theta1 + theta3 x): seven numbers, two of use.
    """
    t0, t1, t2, t3, t4, t5, t6 = theta.unbind()
    return t4 + t5 * t0 + t6 * t1, t5 * t2 + t6 * t3
