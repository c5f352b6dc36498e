"""Layers by hand that remember: what a link keeps on the way forward, it uses on the way back.

The mathematics stands in `layers`, `activations` and `places`; a link only keeps its parameters, what
backward needs of the last forward, and, after backward, the gradient of each parameter under its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from torch import Tensor

from bluebird.scratch import activations, layers, places

# What the backward of each activation takes: a slope is easiest found from the one or the other.
_REMEMBERS = {"relu": "output", "tanh": "output", "sigmoid": "output", "gelu": "input", "silu": "input"}


class Link(ABC):
    """One step of a network: `forward` an input, then `backward` the gradient of its output.

    `training` tells dropout and batch norm whether they are at school or at work.
    """

    training = True

    def __init__(self, **parameters: Tensor) -> None:
        self.parameters = parameters
        self.grads: dict[str, Tensor] = {}

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The output of the link."""

    @abstractmethod
    def backward(self, grad_out: Tensor) -> Tensor:
        """The gradient of the input of the last `forward`, from that of its output; sets `grads`."""

    def backward_parameters(self, grad_out: Tensor) -> None:
        """`backward` where nobody asks for the gradient of the input: half the work of a first layer."""
        self.backward(grad_out)

    def named_links(self, prefix: str = "") -> Iterator[tuple[str, Link]]:
        """This link and all in it, by the name that a module of torch would have."""
        yield prefix, self


class Linear(Link):
    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return layers.linear.unchecked(x, self.parameters["weight"], self.parameters["bias"])

    def backward(self, grad_out: Tensor) -> Tensor:
        self.backward_parameters(grad_out)
        return layers.linear_grad_x.unchecked(grad_out, self.parameters["weight"])

    def backward_parameters(self, grad_out: Tensor) -> None:
        weight, bias = layers.linear_grad_parameters.unchecked(grad_out, self.x, **self.grads)
        self.grads = {"weight": weight, "bias": bias}


class Gate(Link):
    """An activation, by name."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind not in _REMEMBERS:
            raise ValueError(f"activation is {kind!r}; expected one of {', '.join(_REMEMBERS)}")
        self.function: Callable[[Tensor], Tensor] = getattr(activations, kind).unchecked
        self.derivative: Callable[[Tensor, Tensor], Tensor] = getattr(activations, f"{kind}_backward").unchecked

    def forward(self, x: Tensor) -> Tensor:
        out = self.function(x)
        self.remembered = out if _REMEMBERS[self.kind] == "output" else x
        return out

    def backward(self, grad_out: Tensor) -> Tensor:
        return self.derivative(grad_out, self.remembered)


class Dropout(Link):
    """In training, lets units rest by a mask: a `given` one, or one drawn anew by each forward."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.given: Tensor | None = None
        self.mask: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            self.mask = None
            return x
        self.mask = layers.draw_mask(tuple(x.shape), self.rate, device=x.device) if self.given is None else self.given
        return layers.dropout.unchecked(x, self.mask, self.rate)

    def backward(self, grad_out: Tensor) -> Tensor:
        return grad_out if self.mask is None else layers.dropout_backward.unchecked(grad_out, self.mask, self.rate)


class Flatten(Link):
    """Each picture's pixels in one row: (N, C, H, W) to (N, C H W)."""

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, grad_out: Tensor) -> Tensor:
        return grad_out.reshape(self.shape)


class Conv(Link):
    def __init__(self, weight: Tensor, padding: int) -> None:
        super().__init__(weight=weight)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return places.conv.unchecked(x, self.parameters["weight"], padding=self.padding)

    def backward(self, grad_out: Tensor) -> Tensor:
        self.backward_parameters(grad_out)
        return places.conv_grad_x.unchecked(grad_out, self.x, self.parameters["weight"], padding=self.padding)

    def backward_parameters(self, grad_out: Tensor) -> None:
        weight, _ = places.conv_grad_parameters.unchecked(
            grad_out, self.x, self.parameters["weight"], padding=self.padding
        )
        self.grads = {"weight": weight}


class BatchNorm(Link):
    """Batch norm by the batch's own statistics in training, by the kept ones afterwards.

    `mean` and `variance` (C,) are kept as a running average, in place: each batch of a training counts
    for `momentum`, its variance as that of a sample, over M - 1.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float, momentum: float
    ) -> None:
        super().__init__(weight=weight, bias=bias)
        self.mean, self.variance = mean, variance
        self.eps = eps
        self.momentum = momentum

    def forward(self, x: Tensor) -> Tensor:
        statistics = self._learn_statistics(x) if self.training else (self.mean, self.variance)
        scale, shift = self.parameters["weight"], self.parameters["bias"]
        out, self.normalised, self.steepness = places.batch_norm.unchecked(x, scale, shift, *statistics, self.eps)
        self.own_statistics = self.training
        return out

    def _learn_statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = places.batch_statistics.unchecked(x)
        count = x.numel() / x.shape[1]
        # kept_new = (1 - m) kept_old + m seen
        self.mean.lerp_(mean, self.momentum)
        self.variance.lerp_(variance * count / max(1, count - 1), self.momentum)
        return mean, variance

    def backward(self, grad_out: Tensor) -> Tensor:
        self.backward_parameters(grad_out)
        scale = self.parameters["weight"]
        return places.batch_norm_grad_x.unchecked(
            grad_out, self.normalised, self.steepness, scale, own_statistics=self.own_statistics
        )

    def backward_parameters(self, grad_out: Tensor) -> None:
        scale, shift = places.batch_norm_grad_parameters.unchecked(grad_out, self.normalised)
        self.grads = {"weight": scale, "bias": shift}


class MaxPool(Link):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        out, self.which = places.max_pool.unchecked(x, self.size)
        return out

    def backward(self, grad_out: Tensor) -> Tensor:
        return places.max_pool_backward.unchecked(grad_out, self.x, self.size, self.which)


class MeanOverPlaces(Link):
    """(N, C, H, W) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        return x.mean((2, 3))

    def backward(self, grad_out: Tensor) -> Tensor:
        _, _, h, w = self.shape
        return (grad_out / (h * w))[:, :, None, None].expand(self.shape)
