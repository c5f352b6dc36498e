"""Each layer by hand against torch's own, differentiated by autograd, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from bluebird.scratch import layers
from tests.scratch.oracle import assert_close, by_autograd, draw

sizes = st.integers(1, 7)
seeds = st.integers(0, 10_000)
drawn = settings(max_examples=60, deadline=None)


@drawn
@given(n=sizes, d=sizes, u=sizes, seed=seeds)
def test_linear(n: int, d: int, u: int, seed: int) -> None:
    x, weight, bias, grad = draw(seed, n, d), draw(seed + 1, u, d), draw(seed + 2, u), draw(seed + 3, n, u)
    assert_close(layers.linear(x, weight, bias), F.linear(x, weight, bias))
    expected = by_autograd(F.linear, grad, x, weight, bias)
    for actual, wanted in zip(layers.linear_backward(grad, x, weight), expected, strict=True):
        assert_close(actual, wanted)


FROM_OUTPUT = {
    "sigmoid": (layers.sigmoid, layers.sigmoid_backward, torch.sigmoid),
    "tanh": (layers.tanh, layers.tanh_backward, torch.tanh),
    "relu": (layers.relu, layers.relu_backward, F.relu),
}
FROM_INPUT = {"gelu": (layers.gelu, layers.gelu_backward, F.gelu), "silu": (layers.silu, layers.silu_backward, F.silu)}


@pytest.mark.parametrize("name", [*FROM_OUTPUT, *FROM_INPUT])
@drawn
@given(n=sizes, d=sizes, scale=st.sampled_from([0.0, 1.0, 30.0]), seed=seeds)
def test_activations(name: str, n: int, d: int, scale: float, seed: int) -> None:
    forward, backward, oracle = (FROM_OUTPUT | FROM_INPUT)[name]
    u, grad = scale * draw(seed, n, d), draw(seed + 1, n, d)
    o = forward(u)
    assert_close(o, oracle(u))
    assert_close(backward(grad, o if name in FROM_OUTPUT else u), *by_autograd(oracle, grad, u))


@drawn
@given(n=sizes, d=sizes, rate=st.floats(0, 0.95), seed=seeds)
def test_dropout(n: int, d: int, rate: float, seed: int) -> None:
    x, grad = draw(seed, n, d), draw(seed + 1, n, d)
    mask = layers.draw_mask((n, d), rate, torch.Generator().manual_seed(seed))
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
    logits = scale * draw(seed, n, k)
    targets = torch.randint(0, k, (n,), generator=torch.Generator().manual_seed(seed))
    weights = draw(seed + 1, k).abs() + 0.1 if weighted else None

    def oracle(z: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(z, targets, weight=weights, label_smoothing=smoothing)

    probs, wanted = layers.softmax(logits), layers.spread(targets, k, smoothing, weights)
    assert_close(probs, F.softmax(logits, 1))
    assert_close(layers.cross_entropy(logits, wanted), oracle(logits))
    (expected,) = by_autograd(oracle, torch.ones((), dtype=torch.float64), logits)
    assert_close(layers.cross_entropy_backward(probs, wanted), expected)


@drawn
@given(n=sizes, d=sizes, seed=seeds)
def test_mse(n: int, d: int, seed: int) -> None:
    y, truth = draw(seed, n, d), draw(seed + 1, n, d)
    assert_close(layers.mse(y, truth), F.mse_loss(y, truth))
    (expected,) = by_autograd(lambda v: F.mse_loss(v, truth), torch.ones((), dtype=torch.float64), y)
    assert_close(layers.mse_backward(y, truth), expected)


@pytest.mark.parametrize("name", [*FROM_OUTPUT, *FROM_INPUT])
def test_a_function_made_of_them_passes_gradcheck(name: str) -> None:
    forward, backward, _ = (FROM_OUTPUT | FROM_INPUT)[name]

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, u):  # type: ignore[no-untyped-def, override]
            o = forward(u)
            ctx.save_for_backward(o if name in FROM_OUTPUT else u)
            return o

        @staticmethod
        def backward(ctx, grad_out):  # type: ignore[no-untyped-def, override]
            return backward(grad_out, *ctx.saved_tensors)

    assert torch.autograd.gradcheck(ByHand.apply, (draw(1, 4, 5).requires_grad_(),))


@pytest.mark.parametrize(
    ("call", "kind", "reason"),
    [
        (lambda: layers.linear(draw(0, 2, 3), draw(0, 4, 5), draw(0, 4)), ValueError, "x is 3; expected that of w"),
        (lambda: layers.dropout(draw(0, 2), draw(0, 2) > 0, 1.0), ValueError, "dropout rate is 1.0"),
        (lambda: layers.spread(torch.tensor([0, 3]), 3), ValueError, "targets holds 3; expected"),
        (lambda: layers.spread(draw(0, 2), 3), TypeError, "targets holds torch.float64"),
        (lambda: layers.cross_entropy_backward(draw(0, 2, 3), draw(0, 2, 3)), ValueError, "row of probs sums"),
        (lambda: layers.mse(draw(0, 2), draw(0, 3)), ValueError, r"shape of y is \(2,\)"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], object], kind: type[Exception], reason: str) -> None:
    with pytest.raises(kind, match=reason):
        call()
