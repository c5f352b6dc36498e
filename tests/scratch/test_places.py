"""Convolution, pooling and batch norm by hand against torch's own, differentiated by autograd, in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from bluebird.scratch import places
from tests.scratch.oracle import assert_close, by_autograd, draw

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
    x, weight, bias = draw(seed, n, c, *side), draw(seed + 1, o, c, *kernel), draw(seed + 2, o)

    def oracle(*inputs: Tensor) -> Tensor:
        return F.conv2d(*inputs, stride=stride, padding=padding)

    expected = oracle(x, weight, bias)
    assert_close(places.conv(x, weight, bias, stride=stride, padding=padding), expected)
    grad = draw(seed + 3, *expected.shape)
    by_hand = places.conv_backward(grad, x, weight, stride=stride, padding=padding)
    for actual, wanted in zip(by_hand, by_autograd(oracle, grad, x, weight, bias), strict=True):
        assert_close(actual, wanted)


@pytest.mark.parametrize("kind", ["max", "mean"])
@drawn
@given(n=st.integers(1, 3), c=st.integers(1, 3), size=st.integers(1, 4), rest=st.integers(0, 3), seed=seeds)
def test_pooling(kind: str, n: int, c: int, size: int, rest: int, seed: int) -> None:
    x = draw(seed, n, c, 2 * size + min(rest, size - 1), 3 * size)
    oracle = F.max_pool2d if kind == "max" else F.avg_pool2d
    expected = oracle(x, size)
    grad = draw(seed + 1, *expected.shape)
    if kind == "max":
        pooled, which = places.max_pool(x, size)
        back = places.max_pool_backward(grad, which, x, size)
    else:
        pooled, back = places.mean_pool(x, size), places.mean_pool_backward(grad, x, size)
    assert_close(pooled, expected)
    assert_close(back, *by_autograd(lambda v: oracle(v, size), grad, x))


def test_of_equals_the_first_takes_the_blame_as_in_torch() -> None:
    x = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    pooled, which = places.max_pool(x, 2)
    grad = torch.ones_like(pooled)
    assert_close(places.max_pool_backward(grad, which, x, 2), *by_autograd(lambda v: F.max_pool2d(v, 2), grad, x))


@drawn
@given(n=st.integers(2, 5), c=st.integers(1, 4), h=st.integers(1, 5), w=st.integers(2, 5), seed=seeds)
def test_batch_norm(n: int, c: int, h: int, w: int, seed: int) -> None:
    x, scale, shift = 3 * draw(seed, n, c, h, w) + 5, draw(seed + 1, c), draw(seed + 2, c)

    def oracle(*inputs: Tensor) -> Tensor:
        return F.batch_norm(inputs[0], None, None, inputs[1], inputs[2], training=True)

    out, normalised, steepness = places.batch_norm(x, scale, shift)
    assert_close(out, oracle(x, scale, shift))
    grad = draw(seed + 3, n, c, h, w)
    by_hand = places.batch_norm_backward(grad, normalised, steepness, scale)
    for actual, wanted in zip(by_hand, by_autograd(oracle, grad, x, scale, shift), strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-10, atol=1e-10)


def test_a_convolution_made_of_them_passes_gradcheck() -> None:
    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight, bias):  # type: ignore[no-untyped-def, override]
            ctx.save_for_backward(x, weight)
            return places.conv(x, weight, bias, stride=2, padding=1)

        @staticmethod
        def backward(ctx, grad_out):  # type: ignore[no-untyped-def, override]
            return places.conv_backward(grad_out, *ctx.saved_tensors, stride=2, padding=1)

    inputs = (draw(1, 2, 2, 5, 4), draw(2, 3, 2, 3, 3), draw(3, 3))
    assert torch.autograd.gradcheck(ByHand.apply, tuple(value.requires_grad_() for value in inputs))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (((1, 2, 5, 5), (3, 4, 3, 3), 1, 0), r"x has the shape \(1, 2, 5, 5\) and weight \(3, 4, 3, 3\)"),
        (((1, 2, 5, 5), (3, 2, 3, 3), 0, 0), "stride is 0"),
        (((1, 2, 2, 2), (3, 2, 3, 3), 1, 0), r"kernel of \(3, 3\) does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(
    arguments: tuple[tuple[int, ...], tuple[int, ...], int, int], reason: str
) -> None:
    x, weight, stride, padding = arguments
    with pytest.raises(ValueError, match=reason):
        places.conv(draw(0, *x), draw(0, *weight), stride=stride, padding=padding)
