from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bluebird.scratch.seven import Activation, Loss, backward, collapse, error, forward

numbers = st.floats(-4, 4)
extremes = st.floats(-60, 60)  # here the sigmoid is 0 or 1 to the last bit
points = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8)
VARIANTS = [(activation, loss) for activation in ("sigmoid", "linear") for loss in ("half", "mse")]


def _f64(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _columns(batch: list[tuple[float, float]]) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = _f64(batch).T
    return x, y


def _by_autograd(theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor, activation: str, loss: str) -> torch.Tensor:
    """The network written anew, as matrices, for autograd to differentiate."""
    leaf = theta.clone().requires_grad_()
    bias, weight, top = leaf[:2], leaf[2:4], leaf[5:]
    hidden = x.reshape(-1, 1) * weight + bias
    output = leaf[4] + (torch.sigmoid(hidden) if activation == "sigmoid" else hidden) @ top
    squares = torch.nn.functional.mse_loss(output, y.reshape(-1))
    (gradient,) = torch.autograd.grad(squares / 2 if loss == "half" else squares, leaf)
    return gradient


def _rounding(theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """What float64 may lose where the output hits y so nearly that little but rounding is left of their difference."""
    greatest, far = theta.abs().max(), x.abs().max().clamp(min=1)
    terms = y.abs().max() + greatest * (1 + 2 * (greatest * (1 + far)).clamp(min=1))  # of the difference
    return 8 * torch.finfo(torch.float64).eps * terms * (greatest * far).clamp(min=1)


@pytest.mark.parametrize(("activation", "loss"), VARIANTS)
@settings(max_examples=600, deadline=None)
@given(theta=st.lists(extremes, min_size=7, max_size=7), batch=points)
def test_seven_gradients_are_those_of_autograd(
    activation: Activation, loss: Loss, theta: list[float], batch: list[tuple[float, float]]
) -> None:
    x, y = _columns(batch)
    expected = _by_autograd(_f64(theta), x, y, activation, loss)
    difference = (backward(_f64(theta), x, y, activation, loss) - expected).abs().max()
    assert difference <= 1e-12 * expected.abs().max() + _rounding(_f64(theta), x, y)


@pytest.mark.parametrize(("activation", "loss"), VARIANTS)
@settings(max_examples=200, deadline=None)
@given(theta=st.lists(numbers, min_size=7, max_size=7), batch=points)
def test_seven_gradients_are_those_of_central_differences(
    activation: Activation, loss: Loss, theta: list[float], batch: list[tuple[float, float]]
) -> None:
    x, y = _columns(batch)
    h = 1e-5
    slopes = [
        (error(_f64(theta) + step, x, y, activation, loss) - error(_f64(theta) - step, x, y, activation, loss))
        / (2 * h)
        for step in h * torch.eye(7, dtype=torch.float64)
    ]
    gradient = backward(_f64(theta), x, y, activation, loss)
    torch.testing.assert_close(gradient, torch.stack(slopes), rtol=1e-6, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(theta=st.lists(numbers, min_size=7, max_size=7), batch=points)
def test_a_batch_is_the_mean_of_its_points(theta: list[float], batch: list[tuple[float, float]]) -> None:
    alone = torch.stack([backward(_f64(theta), _f64(x), _f64(y)) for x, y in batch])
    x, y = _columns(batch)
    torch.testing.assert_close(backward(_f64(theta), x, y), alone.mean(0), rtol=1e-12, atol=1e-12)


def test_the_neurons_are_those_worked_by_hand() -> None:
    n = forward(_f64([0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7]), _f64(2.0))
    assert float(n.u11) == pytest.approx(0.7)
    assert float(n.u12) == pytest.approx(0.6)
    o11, o12 = 1 / (1 + np.exp(-0.7)), 1 / (1 + np.exp(-0.6))
    assert float(n.o11) == pytest.approx(o11)
    assert float(n.o12) == pytest.approx(o12)
    assert float(n.o21) == pytest.approx(0.5 - 0.6 * o11 + 0.7 * o12)


@settings(max_examples=100, deadline=None)
@given(theta=st.lists(numbers, min_size=7, max_size=7), x=numbers)
def test_linear_neurons_collapse_to_a_straight_line(theta: list[float], x: float) -> None:
    intercept, slope = collapse(_f64(theta))
    torch.testing.assert_close(forward(_f64(theta), _f64(x), "linear").o21, intercept + slope * x, rtol=1e-9, atol=1e-9)


def _descend(theta: torch.Tensor, steps: int) -> torch.Tensor:
    x = torch.linspace(-3, 3, 40, dtype=torch.float64)
    y = torch.sin(x) + 0.3 * x + 0.5
    for _ in range(steps):
        theta = theta - 0.2 * backward(theta, x, y)
    return theta


def test_neurons_that_start_at_zero_stay_equal_for_ever() -> None:
    theta = _descend(torch.zeros(7, dtype=torch.float64), 3000)
    assert theta.abs().max() > 0.1  # it did learn something
    assert torch.equal(theta[[0, 2, 5]], theta[[1, 3, 6]])  # but as if it had one hidden neuron
    drawn = _descend(torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), 3000)
    assert (drawn[[0, 2, 5]] - drawn[[1, 3, 6]]).abs().min() > 0.1


@pytest.mark.parametrize(
    ("theta", "x", "y", "kind", "reason"),
    [
        (torch.zeros(6), torch.zeros(3), torch.zeros(3), ValueError, r"theta \(6,\), .* expected theta \(7\)"),
        (torch.zeros(7), torch.zeros(3, 2), torch.zeros(3, 2), ValueError, r"x has the shape \(3, 2\)"),
        (torch.zeros(7), torch.zeros(0), torch.zeros(0), ValueError, r"x \(0,\), y \(0,\); .* none of them empty"),
        (torch.zeros(7), torch.zeros(3), torch.zeros(4), ValueError, r"x \(3,\), y \(4,\); expected"),
        (torch.zeros(7), torch.zeros(3, dtype=torch.int64), torch.zeros(3), TypeError, "x holds torch.int64"),
        (torch.full((7,), torch.nan), torch.zeros(3), torch.zeros(3), ValueError, "theta holds nan"),
        (torch.zeros(7), torch.tensor(torch.inf), torch.tensor(0.0), ValueError, "x holds inf"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_value(
    theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor, kind: type[Exception], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        backward(theta, x, y)
