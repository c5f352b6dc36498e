"""What the glass box refuses, in one line that names the value and what was expected.

Each raises `ValueError`, or `TypeError` for tensors that are not floating point.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Generic, ParamSpec, Protocol, TypeVar

from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


class Checked(Generic[P, R]):
    """A function that looks at what it is given before it works; `unchecked` is the bare mathematics.

    A network looks once, at its door (`chain.learn`), and then calls its layers unchecked.
    """

    def __init__(
        self, function: Callable[P, R], axes: dict[str, str], also: Callable[..., None] | None
    ) -> None:  # fmt: skip
        functools.update_wrapper(self, function)
        self.unchecked = function
        self._axes = axes
        self._also = also
        self._signature = inspect.signature(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        given = self._signature.bind(*args, **kwargs).arguments
        tensors = {name: given[name] for name in self._axes if given.get(name) is not None}
        shapes(**{name: (tensor, self._axes[name]) for name, tensor in tensors.items()})
        finite(**{name: tensor for name, tensor in tensors.items() if not self._axes[name].startswith("bool")})
        if self._also is not None:
            self._also(*args, **kwargs)
        return self.unchecked(*args, **kwargs)


class Decorator(Protocol):
    """What `checked` gives: it makes a function of any signature a `Checked` one of the same."""

    def __call__(self, function: Callable[P, R], /) -> Checked[P, R]: ...


def checked(*, also: Callable[..., None] | None = None, **axes: str) -> Decorator:
    """Let a function refuse tensors that are not finite floating point, or whose axes do not fit each other.

    `@checked(x="N D", weight="U D")` wants as many axes as there are names, of one size wherever a name
    comes again, and none empty; `7` is an axis of seven, `*` any shape, the same wherever it comes again,
    `bool *` a mask.
    `also` is called with the arguments of the function and may refuse them for more.
    """

    def decorate(function: Callable[P, R], /) -> Checked[P, R]:
        return Checked(function, axes, also)

    return decorate


def shapes(**wanted: tuple[Tensor, str]) -> None:
    """Refuse tensors whose axes do not fit: `shapes(x=(x, "N D"), weight=(weight, "U D"))`."""
    sizes: dict[str, object] = {}
    for tensor, axes in wanted.values():
        if not _fits(tensor, axes.removeprefix("bool ").split(), sizes):
            seen = ", ".join(f"{name} {tuple(tensor.shape)}" for name, (tensor, _) in wanted.items())
            expected = ", ".join(f"{name} ({', '.join(axes.split())})" for name, (_, axes) in wanted.items())
            raise ValueError(f"shapes are {seen}; expected {expected}, none of them empty")
    for name, (tensor, axes) in wanted.items():
        if not axes.startswith("bool"):
            floating(name, tensor)


def _fits(tensor: Tensor, names: list[str], sizes: dict[str, object]) -> bool:
    """Whether the tensor has the named axes, in the sizes met before, which are added to."""
    if names == ["*"]:
        return tensor.numel() > 0 and sizes.setdefault("*", tensor.shape) == tensor.shape
    if tensor.ndim != len(names) or not tensor.numel():
        return False
    expected = (
        sizes.setdefault(name, int(name) if name.isdigit() else size)
        for name, size in zip(names, tensor.shape, strict=True)
    )
    return tuple(expected) == tensor.shape


def floating(name: str, tensor: Tensor) -> None:
    """Refuse whole numbers."""
    if not tensor.is_floating_point():
        raise TypeError(f"{name} holds {tensor.dtype}; expected floating point")


def finite(**tensors: Tensor) -> None:
    """Refuse nan and infinity."""
    for name, tensor in tensors.items():
        # One of them spoils a sum, and a sum takes a twentieth of the time of a look at every value.
        if math.isfinite(tensor.detach().sum().item()):
            continue
        wrong = tensor[~tensor.isfinite()]
        if len(wrong):
            raise ValueError(f"{name} holds {float(wrong[0])}; expected finite numbers")


def above_zero(name: str, value: float) -> None:
    """Refuse rates and thresholds at or below zero, nan and infinity."""
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} is {value}; expected a finite number above 0")


def share(name: str, value: float) -> None:
    """Refuse what is no share below one."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} is {value}; expected a number from 0 up to, not including, 1")


def rate_fits(x: Tensor, mask: Tensor, rate: float) -> None:
    """Refuse a dropout rate that is no share below one."""
    share("the dropout rate", rate)


def rows_sum_to_one(probs: Tensor, wanted: Tensor) -> None:
    """Refuse rows that are no probabilities."""
    sums = probs.sum(1)
    worst = float(sums[(sums - 1).abs().argmax()])
    if not abs(worst - 1) < 1e-3:
        raise ValueError(f"a row of probs sums to {worst:g}; expected 1")


def kernel_fits(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0) -> None:
    """Refuse strides, paddings and kernels that cannot be."""
    if stride < 1 or padding < 0:
        raise ValueError(f"stride is {stride} and padding {padding}; expected at least 1 and at least 0")
    if min(_places(x, weight, stride, padding)) < 1:
        raise ValueError(f"a kernel of {tuple(weight.shape[2:])} does not fit into {tuple(x.shape[2:])} places")


def seen_by_kernel(grad_out: Tensor, x: Tensor, weight: Tensor, *, stride: int = 1, padding: int = 0) -> None:
    """Refuse a gradient that has not the places of the convolution's output."""
    kernel_fits(x, weight, stride=stride, padding=padding)
    expected = _places(x, weight, stride, padding)
    if tuple(grad_out.shape[2:]) != expected:
        raise ValueError(f"grad_out has {tuple(grad_out.shape[2:])} places; expected {expected}, as the output")


def pool_fits(x: Tensor, size: int) -> None:
    """Refuse a pool that is larger than the picture."""
    if not 1 <= size <= min(x.shape[2:]):
        raise ValueError(f"a pool of {size} x {size} places does not fit into {tuple(x.shape[2:])}")


def seen_by_pool(grad_out: Tensor, x: Tensor, size: int, which: Tensor | None = None) -> None:
    """Refuse a gradient that has not the places of the pool's output."""
    pool_fits(x, size)
    expected = tuple(side // size for side in x.shape[2:])
    if tuple(grad_out.shape[2:]) != expected:
        raise ValueError(f"grad_out has {tuple(grad_out.shape[2:])} places; expected {expected}, as the output")


def _places(x: Tensor, weight: Tensor, stride: int, padding: int) -> tuple[int, int]:
    high, wide = ((x.shape[n] + 2 * padding - weight.shape[n]) // stride + 1 for n in (2, 3))
    return high, wide
