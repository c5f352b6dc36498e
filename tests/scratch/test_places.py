"""Convolution, pooling and batch norm by hand against torch's own, differentiated by autograd, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from bluebird.scratch import places
from bluebird.scratch.checks import checked
from tests.scratch.oracle import assert_close, by_autograd, draw, passes_gradcheck

seeds = st.integers(0, 10_000)
drawn = settings(max_examples=50, deadline=None)


@drawn
@given(
    n=st.integers(1, 3), c=st.integers(1, 3), o=st.integers(1, 4), side=st.tuples(st.integers(4, 8), st.integers(4, 8)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)), stride=st.integers(1, 3), padding=st.integers(0, 2),
    seed=seeds,
)  # fmt: skip
def test_convolution(
    n: int, c: int, o: int, side: tuple[int, int], kernel: tuple[int, int], stride: int, padding: int, seed: int
) -> None:
    _hold_convolution(draw(seed, n, c, *side), draw(seed + 1, o, c, *kernel), draw(seed + 2, o), stride, padding)


def _hold_convolution(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> None:
    def oracle(*inputs: Tensor) -> Tensor:
        return F.conv2d(*inputs, stride=stride, padding=padding)

    expected = oracle(x, weight, bias)
    assert_close(places.conv(x, weight, bias, stride=stride, padding=padding), expected)
    grad = draw(3, *expected.shape)
    actual = _conv_back(grad, x, weight, stride, padding)
    for gradient, wanted in zip(actual, by_autograd(oracle, grad, x, weight, bias), strict=True):
        assert_close(gradient, wanted)


def _conv_back(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> tuple[Tensor, Tensor, Tensor]:
    of_x = places.conv_grad_x(grad, x, weight, stride=stride, padding=padding)
    return of_x, *places.conv_grad_parameters(grad, x, weight, stride=stride, padding=padding)


def _pool(kind: str, x: Tensor, size: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    if kind == "mean":
        return places.mean_pool(x, size), lambda grad: places.mean_pool_backward(grad, x, size)
    pooled, which = places.max_pool(x, size)
    return pooled, lambda grad: places.max_pool_backward(grad, x, size, which)


@pytest.mark.parametrize("kind", ["max", "mean"])
@drawn
@given(n=st.integers(1, 3), c=st.integers(1, 3), size=st.integers(1, 4), rest=st.integers(0, 3), seed=seeds)
def test_pooling(kind: str, n: int, c: int, size: int, rest: int, seed: int) -> None:
    _hold_pooling(kind, draw(seed, n, c, 2 * size + min(rest, size - 1), 3 * size), size)


def _hold_pooling(kind: str, x: Tensor, size: int) -> None:
    oracle = F.max_pool2d if kind == "max" else F.avg_pool2d
    pooled, back = _pool(kind, x, size)
    assert_close(pooled, oracle(x, size))
    grad = draw(1, *pooled.shape)
    assert_close(back(grad), *by_autograd(lambda v: oracle(v, size), grad, x))


def test_of_equals_the_first_takes_the_blame_as_in_torch() -> None:
    _hold_pooling("max", torch.zeros(1, 1, 4, 4, dtype=torch.float64), 2)


def _batch_norm(x: Tensor, scale: Tensor, shift: Tensor, kept: tuple[Tensor, Tensor] | None):  # type: ignore[no-untyped-def]
    """The output, and the gradients of x, scale and shift as a function of that of the output."""
    out, normalised, steepness = places.batch_norm(x, scale, shift, *(kept or places.batch_statistics(x)))

    def back(grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        of_x = places.batch_norm_grad_x(grad, normalised, steepness, scale, own_statistics=kept is None)
        return of_x, *places.batch_norm_grad_parameters(grad, normalised)

    return out, back


@pytest.mark.parametrize("training", [True, False])
@drawn
@given(n=st.integers(2, 5), c=st.integers(1, 4), h=st.integers(1, 5), w=st.integers(2, 5), seed=seeds)
def test_batch_norm(training: bool, n: int, c: int, h: int, w: int, seed: int) -> None:
    x, scale, shift = 3 * draw(seed, n, c, h, w) + 5, draw(seed + 1, c), draw(seed + 2, c)
    _hold_batch_norm(x, scale, shift, None if training else (draw(seed + 3, c), draw(seed + 4, c).abs()))


def _hold_batch_norm(x: Tensor, scale: Tensor, shift: Tensor, kept: tuple[Tensor, Tensor] | None) -> None:
    def oracle(*inputs: Tensor) -> Tensor:
        mean, variance = kept or (None, None)
        return F.batch_norm(inputs[0], mean, variance, inputs[1], inputs[2], training=kept is None)

    out, back = _batch_norm(x, scale, shift, kept)
    assert_close(out, oracle(x, scale, shift))
    grad = draw(3, *x.shape)
    for actual, wanted in zip(back(grad), by_autograd(oracle, grad, x, scale, shift), strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-10, atol=1e-10)


X, KERNEL, KEPT = draw(1, 2, 2, 5, 4), draw(2, 3, 2, 3, 3), (draw(5, 2), draw(6, 2).abs())
FUNCTIONS: dict[str, tuple[Callable[..., object], list[Tensor]]] = {  # forward with its backward, and its inputs
    "convolution": (
        lambda x, w, b: (places.conv(x, w, b, stride=2, padding=1), lambda g: _conv_back(g, x, w, 2, 1)),
        [X, KERNEL, draw(3, 3)],
    ),
    "max pooling": (lambda x: ((p := _pool("max", x, 2))[0], lambda g: (p[1](g),)), [X]),
    "mean pooling": (lambda x: ((p := _pool("mean", x, 2))[0], lambda g: (p[1](g),)), [X]),
    "batch norm": (lambda x, s, b: _batch_norm(x, s, b, None), [X, draw(3, 2), draw(4, 2)]),
    "kept batch norm": (lambda x, s, b: _batch_norm(x, s, b, KEPT), [X, draw(3, 2), draw(4, 2)]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_made_of_them_passes_gradcheck(name: str) -> None:
    assert passes_gradcheck(*FUNCTIONS[name])


HOLD: dict[str, Callable[[], None]] = {
    "convolution": lambda: _hold_convolution(X, KERNEL, draw(3, 3), 2, 1),
    "max pooling": lambda: _hold_pooling("max", X, 2),
    "mean pooling": lambda: _hold_pooling("mean", X, 2),
    "batch norm": lambda: _hold_batch_norm(X, draw(3, 2), draw(4, 2), None),
    "kept batch norm": lambda: _hold_batch_norm(X, draw(3, 2), draw(4, 2), KEPT),
}
FAULTS = [  # layer, function, what it might be by mistake
    ("convolution", "conv_grad_x", lambda f: lambda g, x, w, **o: f(g, x, w.flip(2, 3), **o)),
    ("convolution", "conv_grad_x", lambda f: lambda g, x, w, **o: -f(g, x, w, **o)),
    ("convolution", "conv_grad_parameters", lambda f: lambda g, x, w, **o: (f(g, x, w, **o)[0].mT, g.sum((0, 2, 3)))),
    ("convolution", "conv_grad_parameters", lambda f: lambda g, x, w, **o: (f(g, x, w, **o)[0], g.mean((0, 2, 3)))),
    ("max pooling", "max_pool_backward", lambda f: lambda g, x, s, which: f(g, x, s, which * 0)),
    ("mean pooling", "mean_pool_backward", lambda f: lambda g, x, s: f(g, x, s) * s),
    ("batch norm", "batch_norm_grad_x", lambda f: lambda g, n, s, c, **_: f(g, n, s, c, own_statistics=False)),
    ("batch norm", "batch_norm_grad_parameters", lambda f: lambda g, n: f(g, n)[::-1]),
    ("kept batch norm", "batch_norm_grad_x", lambda f: lambda g, n, s, c, **_: g * s[:, None, None]),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "function", "plant"), FAULTS)
def test_a_planted_fault_is_caught(
    layer: str, function: str, plant: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    HOLD[layer]()
    monkeypatch.setattr(places, function, checked()(plant(getattr(places, function).unchecked)))
    with pytest.raises(AssertionError):
        HOLD[layer]()
    assert not passes_gradcheck(*FUNCTIONS[layer])


ONES = torch.ones(1, 2, 4, 4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "kind", "reason"),
    [
        (lambda: places.conv(draw(0, 1, 2, 5, 5), draw(0, 3, 4, 3, 3)), ValueError,
         r"x \(1, 2, 5, 5\), weight \(3, 4, 3, 3\); expected x \(N, C, H, W\), weight \(O, C, A, B\)"),
        (lambda: places.conv(X, KERNEL, draw(0, 4)), ValueError, r"bias \(4,\); expected x \(N, C, H, W\)"),
        (lambda: places.conv(X, KERNEL, stride=0), ValueError, "stride is 0"),
        (lambda: places.conv(draw(0, 1, 2, 2, 2), KERNEL), ValueError, r"kernel of \(3, 3\) does not fit"),
        (lambda: places.conv(X * torch.nan, KERNEL), ValueError, "x holds nan; expected finite"),
        (lambda: places.conv(ONES, KERNEL), TypeError, "x holds torch.int64; expected floating point"),
        (lambda: places.conv_grad_x(draw(0, 2, 3, 9, 9), X, KERNEL), ValueError, r"grad_out has \(9, 9\) places"),
        (lambda: places.conv_grad_parameters(draw(0, 2, 3, 3, 2) * torch.inf, X, KERNEL), ValueError, "grad_out holds"),
        (lambda: places.max_pool(X, 6), ValueError, r"pool of 6 x 6 places does not fit into \(5, 4\)"),
        (lambda: places.mean_pool(X * torch.inf, 2), ValueError, "x holds"),
        (lambda: places.max_pool(ONES, 2), TypeError, "x holds torch.int64"),
        (lambda: places.mean_pool_backward(X, X, 2), ValueError, r"grad_out has \(5, 4\) places; expected \(2, 2\)"),
        (lambda: places.batch_statistics(X * torch.nan), ValueError, "x holds nan"),
        (lambda: places.batch_norm(X, draw(0, 3), draw(0, 2), *KEPT), ValueError, r"scale \(3,\)"),
        (lambda: places.batch_norm(X, draw(0, 2) * torch.nan, draw(0, 2), *KEPT), ValueError, "scale holds nan"),
        (lambda: places.batch_norm_grad_parameters(draw(0, 2, 2, 5, 5), X), ValueError, "shapes are grad_out"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call: Callable[[], object], kind: type[Exception], reason: str) -> None:
    with pytest.raises(kind, match=reason):
        call()
