"""Each activation by hand against torch's own, differentiated by autograd, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from bluebird.scratch import activations
from bluebird.scratch.checks import checked
from tests.scratch.oracle import assert_close, by_autograd, draw, passes_gradcheck

FROM_OUTPUT = ("sigmoid", "tanh", "relu")
ORACLES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
}


def _by_hand(name: str, u: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The output, and the gradient of u as a function of that of the output."""
    o = getattr(activations, name)(u)
    backward = getattr(activations, f"{name}_backward")
    return o, lambda grad: backward(grad, o if name in FROM_OUTPUT else u)


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 7), d=st.integers(1, 7), scale=st.sampled_from([0.0, 1.0, 30.0]), seed=st.integers(0, 10_000))
def test_value_and_slope_are_those_of_torch(name: str, n: int, d: int, scale: float, seed: int) -> None:
    _hold_against_torch(name, scale * draw(seed, n, d), draw(seed + 1, n, d))


def _hold_against_torch(name: str, u: Tensor, grad: Tensor) -> None:
    o, back = _by_hand(name, u)
    assert_close(o, ORACLES[name](u))
    assert_close(back(grad), *by_autograd(ORACLES[name], grad, u))


@pytest.mark.parametrize("name", ORACLES)
def test_a_function_made_of_both_passes_gradcheck(name: str) -> None:
    assert _passes_gradcheck(name)


def _passes_gradcheck(name: str) -> bool:
    def forward(u: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, ...]]]:
        o, back = _by_hand(name, u)
        return o, lambda grad: (back(grad),)

    return passes_gradcheck(forward, [draw(1, 4, 5)])


FAULTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # what a backward might be by mistake
    "sigmoid": lambda grad, o: grad * o,
    "tanh": lambda grad, o: grad * (1 - o),
    "relu": lambda grad, o: grad * o,
    "gelu": lambda grad, u: grad * (1 + torch.erf(u / 2**0.5)) / 2,
    "silu": lambda grad, u: grad * torch.sigmoid(u),
}


@pytest.mark.parametrize("name", ORACLES)
def test_a_planted_fault_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, f"{name}_backward", checked()(FAULTS[name]))
    with pytest.raises(AssertionError):
        _hold_against_torch(name, draw(0, 5, 5), draw(1, 5, 5))
    assert not _passes_gradcheck(name)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize(
    ("u", "kind", "reason"),
    [
        (torch.arange(3), TypeError, "u holds torch.int64; expected floating point"),
        (torch.tensor([0.0, -torch.inf]), ValueError, "u holds -inf; expected finite numbers"),
        (torch.tensor([torch.nan]), ValueError, "u holds nan; expected finite numbers"),
    ],
)
def test_what_is_no_number_is_refused(name: str, u: Tensor, kind: type[Exception], reason: str) -> None:
    with pytest.raises(kind, match=reason):
        getattr(activations, name)(u)


@pytest.mark.parametrize("name", ORACLES)
def test_a_gradient_of_another_shape_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"shapes are grad_out \(2,\), [ou] \(3,\)"):
        getattr(activations, f"{name}_backward")(draw(0, 2), draw(0, 3))
