"""What the glass box refuses, in one line that names the value and what was expected.

Each raises `ValueError`, or `TypeError` for tensors that are not floating point.
"""

from __future__ import annotations

import math

from torch import Tensor


def shapes(**wanted: tuple[Tensor, str]) -> None:
    """Refuse tensors whose axes do not fit: `shapes(x=(x, "N D"), weight=(weight, "U D"), bias=(bias, "U"))`."""
    sizes: dict[str, int] = {}
    for tensor, axes in wanted.values():
        names = axes.split()
        fits = tensor.ndim == len(names) and tensor.numel() > 0
        if not fits or any(
            sizes.setdefault(name, size) != size for name, size in zip(names, tensor.shape, strict=True)
        ):
            seen = ", ".join(f"{name} {tuple(tensor.shape)}" for name, (tensor, _) in wanted.items())
            expected = ", ".join(f"{name} ({', '.join(axes.split())})" for name, (_, axes) in wanted.items())
            raise ValueError(f"shapes are {seen}; expected {expected}, none of them empty")
    for name, (tensor, _) in wanted.items():
        floating(name, tensor)


def same_shape(name: str, tensor: Tensor, other: str, like: Tensor) -> None:
    """Refuse a tensor that has not the shape of another, or is not floating point."""
    if tensor.shape != like.shape:
        raise ValueError(f"{name} has the shape {tuple(tensor.shape)}; expected that of {other}, {tuple(like.shape)}")
    floating(name, tensor)


def floating(name: str, tensor: Tensor) -> None:
    """Refuse whole numbers."""
    if not tensor.is_floating_point():
        raise TypeError(f"{name} holds {tensor.dtype}; expected floating point")


def finite(**tensors: Tensor) -> None:
    """Refuse nan and infinity."""
    for name, tensor in tensors.items():
        if not _sums_up(tensor):
            _refuse_values(name, tensor)


def finite_result(result: Tensor, **inputs: Tensor) -> None:
    """Refuse nan and infinity in large inputs by a look at the small result that they spoil; name the input."""
    if not _sums_up(result):
        for name, tensor in inputs.items():
            _refuse_values(name, tensor)
        _refuse_values("the result", result)


def above_zero(name: str, value: float) -> None:
    """Refuse rates and thresholds at or below zero, nan and infinity."""
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} is {value}; expected a finite number above 0")


def share(name: str, value: float) -> None:
    """Refuse what is no share below one."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} is {value}; expected a number from 0 up to, not including, 1")


def _sums_up(tensor: Tensor) -> bool:
    # One nan or infinity spoils a sum, and a sum takes a twentieth of the time of a look at every value.
    return math.isfinite(float(tensor.detach().sum()))


def _refuse_values(name: str, tensor: Tensor) -> None:
    wrong = tensor[~tensor.isfinite()]
    if len(wrong):
        raise ValueError(f"{name} holds {float(wrong[0])}; expected finite numbers")
