"""What the tests of the glass box hold it against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def draw(seed: int, *shape: int) -> Tensor:
    """Standard normal float64."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_autograd(function: Callable[..., Tensor], grad_out: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The gradients of all inputs, from that of the output."""
    leaves = [value.clone().requires_grad_() for value in inputs]
    return torch.autograd.grad(function(*leaves), leaves, grad_out)


def assert_close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)


def passes_gradcheck(forward: Callable[..., Any], inputs: Sequence[Tensor]) -> bool:
    """Whether `torch.autograd.gradcheck` finds the derivative by hand to be that of the function.

    `forward` gives the output and a function from its gradient to those of all inputs.
    """

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):  # type: ignore[no-untyped-def, override]
            output, ctx.back = forward(*(value.detach() for value in inputs))
            return output.clone()

        @staticmethod
        def backward(ctx, grad_out):  # type: ignore[no-untyped-def, override]
            return ctx.back(grad_out)

    leaves = tuple(value.clone().requires_grad_() for value in inputs)
    return torch.autograd.gradcheck(ByHand.apply, leaves, raise_exception=False)
