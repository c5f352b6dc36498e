"""A network by hand: links in a row, one pass forward, one pass back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from bluebird.scratch import checks, layers
from bluebird.scratch.links import Dropout, Link


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

    def backward_parameters(self, grad_out: Tensor) -> None:
        links = list(self.links.values())
        learning = (n for n, link in enumerate(links) if any(part.parameters for _, part in link.named_links()))
        first = next(learning, len(links) - 1)
        for link in reversed(links[first + 1 :]):
            grad_out = link.backward(grad_out)
        links[first].backward_parameters(grad_out)

    def train(self, training: bool) -> None:
        """Send all links to school (True) or to work (False)."""
        for _, link in self.named_links():
            link.training = training

    def named_links(self, prefix: str = "") -> Iterator[tuple[str, Link]]:
        for name, link in self.links.items():
            yield from link.named_links(f"{prefix}.{name}" if prefix else name)


class Residual(Chain):
    """x + chain(x): the input also takes a way round, and so does the gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)

    def backward(self, grad_out: Tensor) -> Tensor:
        return grad_out + super().backward(grad_out)


def learn(network: Chain, images: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """One pass forward and one back: logits (N, K), cross-entropy () and the gradient of every parameter, by name.

    The next call may use the memory of these gradients again.

    Args:
        images: float (N, 3, S, S).
        wanted: shares (N, K) of the targets, as `layers.spread` gives them.

    Raises:
        ValueError: images or logits that are not finite, or shapes that do not fit.
        TypeError: images of whole numbers.
    """
    checks.shapes(images=(images, "N C S S"), wanted=(wanted, "N K"))
    checks.finite(images=images)
    logits = network.forward(images)
    loss = layers.cross_entropy(logits, wanted)
    network.backward_parameters(layers.cross_entropy_backward.unchecked(layers.softmax.unchecked(logits), wanted))
    grads = {f"{name}.{key}": grad for name, link in network.named_links() for key, grad in link.grads.items()}
    return logits, loss, grads


def set_masks(network: Chain, masks: Sequence[Tensor | None]) -> None:
    """Give the dropouts of the network their masks, in the order in which a picture passes them."""
    drops = [link for _, link in network.named_links() if isinstance(link, Dropout)]
    if len(drops) != len(masks):
        raise ValueError(f"{len(masks)} masks for {len(drops)} dropouts")
    for drop, mask in zip(drops, masks, strict=True):
        drop.given = mask
