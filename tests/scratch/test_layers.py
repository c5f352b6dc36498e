"""Each layer of a perceptron by hand against torch's own, differentiated by autograd, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from bluebird.scratch import layers
from bluebird.scratch.checks import checked
from tests.scratch.oracle import assert_close, by_autograd, draw, passes_gradcheck

sizes = st.integers(1, 7)
seeds = st.integers(0, 10_000)
drawn = settings(max_examples=60, deadline=None)
ONE = torch.ones((), dtype=torch.float64)


@drawn
@given(n=sizes, d=sizes, u=sizes, seed=seeds)
def test_linear(n: int, d: int, u: int, seed: int) -> None:
    _hold_linear(draw(seed, n, d), draw(seed + 1, u, d), draw(seed + 2, u), draw(seed + 3, n, u))


def _hold_linear(x: Tensor, weight: Tensor, bias: Tensor, grad: Tensor) -> None:
    assert_close(layers.linear(x, weight, bias), F.linear(x, weight, bias))
    actual = (layers.linear_grad_x(grad, weight), *layers.linear_grad_parameters(grad, x))
    for gradient, expected in zip(actual, by_autograd(F.linear, grad, x, weight, bias), strict=True):
        assert_close(gradient, expected)


@drawn
@given(n=sizes, d=sizes, rate=st.floats(0, 0.95), seed=seeds)
def test_dropout(n: int, d: int, rate: float, seed: int) -> None:
    _hold_dropout(draw(seed, n, d), draw(seed + 1, n, d), rate, seed)


def _hold_dropout(x: Tensor, grad: Tensor, rate: float, seed: int) -> None:
    mask = layers.draw_mask(tuple(x.shape), rate, torch.Generator().manual_seed(seed))
    scaled = mask.double() / (1 - rate)
    assert_close(layers.dropout(x, mask, rate), x * scaled)
    assert_close(layers.dropout_backward(grad, mask, rate), *by_autograd(lambda v: v * scaled, grad, x))


def test_a_mask_lets_the_wanted_share_work_and_keeps_the_mean() -> None:
    mask = layers.draw_mask((1000, 100), 0.3, torch.Generator().manual_seed(0))
    assert float(mask.double().mean()) == pytest.approx(0.7, abs=0.005)
    assert float(layers.dropout(torch.ones(1000, 100), mask, 0.3).mean()) == pytest.approx(1, abs=0.01)


@drawn
@given(
    n=sizes, k=st.integers(2, 9), scale=st.sampled_from([1.0, 30.0, 1000.0]), smoothing=st.sampled_from([0.0, 0.2]),
    weighted=st.booleans(), seed=seeds,
)  # fmt: skip
def test_softmax_with_cross_entropy(n: int, k: int, scale: float, smoothing: float, weighted: bool, seed: int) -> None:
    targets = torch.randint(0, k, (n,), generator=torch.Generator().manual_seed(seed))
    weights = draw(seed + 1, k).abs() + 0.1 if weighted else None
    _hold_cross_entropy(scale * draw(seed, n, k), targets, smoothing, weights)


def _hold_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float, weights: Tensor | None) -> None:
    def oracle(z: Tensor) -> Tensor:
        return F.cross_entropy(z, targets, weight=weights, label_smoothing=smoothing)

    probs, wanted = layers.softmax(logits), layers.spread(targets, logits.shape[1], smoothing, weights)
    assert_close(probs, F.softmax(logits, 1))
    assert_close(layers.cross_entropy(logits, wanted), oracle(logits))
    assert_close(layers.cross_entropy_backward(probs, wanted), *by_autograd(oracle, ONE, logits))


@drawn
@given(n=sizes, d=sizes, seed=seeds)
def test_mse(n: int, d: int, seed: int) -> None:
    _hold_mse(draw(seed, n, d), draw(seed + 1, n, d))


def _hold_mse(y: Tensor, truth: Tensor) -> None:
    assert_close(layers.mse(y, truth), F.mse_loss(y, truth))
    assert_close(layers.mse_backward(y, truth), *by_autograd(lambda v: F.mse_loss(v, truth), ONE, y))


MASK = draw(9, 4, 5) > 0
WANTED = layers.spread(torch.tensor([0, 4, 2, 2]), 5, 0.1)
FUNCTIONS: dict[str, tuple[Callable[..., object], list[Tensor]]] = {  # forward with its backward, and its inputs
    "linear": (
        lambda x, w, b: (
            layers.linear(x, w, b),
            lambda g: (layers.linear_grad_x(g, w), *layers.linear_grad_parameters(g, x)),
        ),
        [draw(1, 4, 5), draw(2, 5, 5), draw(3, 5)],
    ),
    "dropout": (
        lambda x: (layers.dropout(x, MASK, 0.3), lambda g: (layers.dropout_backward(g, MASK, 0.3),)),
        [draw(1, 4, 5)],
    ),
    "cross-entropy": (
        lambda z: (
            layers.cross_entropy(z, WANTED),
            lambda g: (g * layers.cross_entropy_backward(layers.softmax(z), WANTED),),
        ),
        [draw(1, 4, 5)],
    ),
    "mse": (
        lambda y: (layers.mse(y, draw(2, 4, 5)), lambda g: (g * layers.mse_backward(y, draw(2, 4, 5)),)),
        [draw(1, 4, 5)],
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_made_of_them_passes_gradcheck(name: str) -> None:
    assert passes_gradcheck(*FUNCTIONS[name])


HOLD: dict[str, Callable[[], None]] = {
    "linear": lambda: _hold_linear(draw(0, 4, 4), draw(1, 4, 4), draw(2, 4), draw(3, 4, 4)),
    "dropout": lambda: _hold_dropout(draw(0, 4, 5), draw(1, 4, 5), 0.3, 0),
    "cross-entropy": lambda: _hold_cross_entropy(draw(0, 4, 5), torch.tensor([0, 4, 2, 2]), 0.1, None),
    "mse": lambda: _hold_mse(draw(0, 4, 5), draw(1, 4, 5)),
}
FAULTS = [  # layer, function, what it might be by mistake
    ("linear", "linear_grad_x", lambda f: lambda g, w: f(g, w.T)),
    ("linear", "linear_grad_x", lambda f: lambda g, w: -f(g, w)),
    ("linear", "linear_grad_parameters", lambda f: lambda g, x: (f(g, x)[0].flip(1), f(g, x)[1])),
    ("linear", "linear_grad_parameters", lambda f: lambda g, x: (f(g, x)[0], g.mean(0))),
    ("dropout", "dropout_backward", lambda f: lambda g, m, p: g * m),
    ("dropout", "dropout_backward", lambda f: lambda g, m, p: g / (1 - p)),
    ("cross-entropy", "cross_entropy_backward", lambda f: lambda p, q: -f(p, q)),
    ("cross-entropy", "cross_entropy_backward", lambda f: lambda p, q: f(p, q) * len(p)),
    ("mse", "mse_backward", lambda f: lambda y, t: f(y, t) / 2),
    ("mse", "mse_backward", lambda f: lambda y, t: f(t, y)),
]


@pytest.mark.parametrize(("layer", "function", "plant"), FAULTS)
def test_a_planted_fault_is_caught(
    layer: str, function: str, plant: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    HOLD[layer]()
    monkeypatch.setattr(layers, function, checked()(plant(getattr(layers, function).unchecked)))
    with pytest.raises(AssertionError):
        HOLD[layer]()
    assert not passes_gradcheck(*FUNCTIONS[layer])


NAN = torch.full((2, 3), torch.nan)


@pytest.mark.parametrize(
    ("call", "kind", "reason"),
    [
        (lambda: layers.linear(draw(0, 2, 3), draw(0, 4, 5), draw(0, 4)), ValueError,
         r"shapes are x \(2, 3\), weight \(4, 5\), bias \(4,\); expected x \(N, D\), weight \(U, D\), bias \(U\)"),
        (lambda: layers.linear(draw(0, 0, 3), draw(0, 4, 3), draw(0, 4)), ValueError, "none of them empty"),
        (lambda: layers.linear(draw(0, 2, 3), torch.ones(4, 3, dtype=torch.int64), draw(0, 4)), TypeError,
         "weight holds torch.int64; expected floating point"),
        (lambda: layers.linear(NAN.double(), draw(0, 4, 3), draw(0, 4)), ValueError, "x holds nan; expected finite"),
        (lambda: layers.linear(draw(0, 2, 3), draw(0, 4, 3) * torch.inf, draw(0, 4)), ValueError, "weight holds"),
        (lambda: layers.linear_grad_x(draw(0, 2, 3), draw(0, 4, 3)), ValueError, r"grad_out \(2, 3\), weight \(4, 3\)"),
        (lambda: layers.linear_grad_parameters(NAN, NAN), ValueError, "grad_out holds nan"),
        (lambda: layers.dropout(draw(0, 2), draw(0, 2) > 0, 1.0), ValueError, "dropout rate is 1.0; expected"),
        (lambda: layers.dropout(draw(0, 2), draw(0, 3) > 0, 0.5), ValueError, r"shapes are x \(2,\), mask \(3,\)"),
        (lambda: layers.draw_mask((2,), -0.1), ValueError, "dropout rate is -0.1"),
        (lambda: layers.spread(torch.tensor([0, 3]), 3), ValueError, "targets holds 3; expected class numbers from 0"),
        (lambda: layers.spread(torch.tensor([0, -1]), 3), ValueError, "targets holds -1; expected"),
        (lambda: layers.spread(torch.zeros(0, dtype=torch.int64), 3), ValueError, r"targets has the shape \(0,\)"),
        (lambda: layers.spread(draw(0, 2), 3), TypeError, "targets holds torch.float64"),
        (lambda: layers.softmax(NAN), ValueError, "logits holds nan"),
        (lambda: layers.softmax(torch.ones(2, 3, dtype=torch.int32)), TypeError, "logits holds torch.int32"),
        (lambda: layers.cross_entropy(draw(0, 2, 3), draw(0, 2, 4)), ValueError, r"wanted \(2, 4\)"),
        (lambda: layers.cross_entropy_backward(draw(0, 2, 3), draw(0, 2, 3)), ValueError, "row of probs sums to"),
        (lambda: layers.mse(draw(0, 2), draw(0, 3)), ValueError, r"shapes are y \(2,\), truth \(3,\)"),
        (lambda: layers.mse(NAN, NAN), ValueError, "y holds nan"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call: Callable[[], object], kind: type[Exception], reason: str) -> None:
    with pytest.raises(kind, match=reason):
        call()
