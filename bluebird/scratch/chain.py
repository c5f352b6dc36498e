"""Layers by hand as links of a chain: what each remembers on the way forward, it uses on the way back.

The mathematics stands in `layers` and `places`; a link only keeps its parameters, what backward needs of
the last forward, and, after backward, the gradient of each parameter under the parameter's name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor

from bluebird.scratch import layers, places

# name: forward, backward, and whether backward takes the output or the input
_GATES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor], str]] = {
    "relu": (layers.relu, layers.relu_backward, "output"),
    "tanh": (layers.tanh, layers.tanh_backward, "output"),
    "sigmoid": (layers.sigmoid, layers.sigmoid_backward, "output"),
    "gelu": (layers.gelu, layers.gelu_backward, "input"),
    "silu": (layers.silu, layers.silu_backward, "input"),
}


class Link(ABC):
    """One step of a network: `forward` an input, then `backward` the gradient of its output."""

    def __init__(self, **parameters: Tensor) -> None:
        self.parameters = parameters
        self.grads: dict[str, Tensor] = {}

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The output of the link."""

    @abstractmethod
    def backward(self, grad_out: Tensor) -> Tensor:
        """The gradient of the input of the last `forward`, from that of its output; sets `grads`."""

    def named_links(self, prefix: str = "") -> Iterator[tuple[str, Link]]:
        """This link and all in it, by the name that a module of torch would have."""
        yield prefix, self


class Linear(Link):
    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return layers.linear(x, self.parameters["weight"], self.parameters["bias"])

    def backward(self, grad_out: Tensor) -> Tensor:
        grad_x, weight, bias = layers.linear_backward(grad_out, self.x, self.parameters["weight"])
        self.grads = {"weight": weight, "bias": bias}
        return grad_x


class Gate(Link):
    """An activation, by name."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        if kind not in _GATES:
            raise ValueError(f"activation is {kind!r}; expected one of {', '.join(_GATES)}")
        self.function, self.derivative, self.remembers = _GATES[kind]

    def forward(self, x: Tensor) -> Tensor:
        out = self.function(x)
        self.remembered = out if self.remembers == "output" else x
        return out

    def backward(self, grad_out: Tensor) -> Tensor:
        return self.derivative(grad_out, self.remembered)


class Dropout(Link):
    """Lets units rest by `mask`, which is set from outside for each step; without one, none rests.

    With `drawing` on, every forward draws a mask of its own.
    """

    drawing = False

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.mask: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.drawing:
            self.mask = layers.draw_mask(tuple(x.shape), self.rate)
        return x if self.mask is None else layers.dropout(x, self.mask, self.rate)

    def backward(self, grad_out: Tensor) -> Tensor:
        return grad_out if self.mask is None else layers.dropout_backward(grad_out, self.mask, self.rate)


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
        return places.conv(x, self.parameters["weight"], padding=self.padding)

    def backward(self, grad_out: Tensor) -> Tensor:
        grad_x, weight, _ = places.conv_backward(grad_out, self.x, self.parameters["weight"], padding=self.padding)
        self.grads = {"weight": weight}
        return grad_x


class BatchNorm(Link):
    """Batch norm as it is in training: by the statistics of the batch."""

    def __init__(self, weight: Tensor, bias: Tensor, eps: float) -> None:
        super().__init__(weight=weight, bias=bias)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        scale, shift = self.parameters["weight"], self.parameters["bias"]
        out, self.normalised, self.steepness = places.batch_norm(x, scale, shift, self.eps)
        return out

    def backward(self, grad_out: Tensor) -> Tensor:
        grad_x, scale, shift = places.batch_norm_backward(
            grad_out, self.normalised, self.steepness, self.parameters["weight"]
        )
        self.grads = {"weight": scale, "bias": shift}
        return grad_x


class MaxPool(Link):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        out, self.which = places.max_pool(x, self.size)
        return out

    def backward(self, grad_out: Tensor) -> Tensor:
        return places.max_pool_backward(grad_out, self.which, self.x, self.size)


class MeanOverPlaces(Link):
    """(N, C, H, W) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        return x.mean((2, 3))

    def backward(self, grad_out: Tensor) -> Tensor:
        _, _, h, w = self.shape
        return (grad_out / (h * w))[:, :, None, None].expand(self.shape)


class Chain(Link):
    """One link after the other; on the way back, in the reverse order."""

    def __init__(self, links: Mapping[str, Link]) -> None:
        super().__init__()
        self.links = dict(links)

    def forward(self, x: Tensor) -> Tensor:
        for link in self.links.values():
            x = link.forward(x)
        return x

    def backward(self, grad_out: Tensor) -> Tensor:
        for link in reversed(self.links.values()):
            grad_out = link.backward(grad_out)
        return grad_out

    def named_links(self, prefix: str = "") -> Iterator[tuple[str, Link]]:
        for name, link in self.links.items():
            yield from link.named_links(f"{prefix}.{name}" if prefix else name)


class Residual(Chain):
    """x + chain(x): the input also takes a way round, and so does the gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)

    def backward(self, grad_out: Tensor) -> Tensor:
        return grad_out + super().backward(grad_out)


def learn(network: Chain, images: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The cross-entropy of a batch and the gradient of every parameter, by name.

    Args:
        images: float (N, 3, S, S).
        wanted: shares (N, K) of the targets, as `layers.spread` gives them.

    Raises:
        ValueError: an image that is not finite, or shapes that do not fit.
    """
    if not images.isfinite().all():
        raise ValueError("images hold nan or inf; expected finite numbers")
    logits = network.forward(images)
    network.backward(layers.cross_entropy_backward(layers.softmax(logits), wanted))
    grads = {f"{name}.{key}": grad for name, link in network.named_links() for key, grad in link.grads.items()}
    return layers.cross_entropy(logits, wanted), grads


def set_masks(network: Chain, masks: Sequence[Tensor | None]) -> None:
    """Give the dropouts of the network their masks, in the order in which a picture passes them."""
    drops = [link for _, link in network.named_links() if isinstance(link, Dropout)]
    if len(drops) != len(masks):
        raise ValueError(f"{len(masks)} masks for {len(drops)} dropouts")
    for drop, mask in zip(drops, masks, strict=True):
        drop.mask = mask
