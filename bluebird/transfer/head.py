"""The last layer of a network, found without a training loop."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Scale:
    """Where features lie and how far they spread: `mean` and `std` float (F,)."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Scale:
        """Of N rows of features (N, F), each on its own; one that never varies keeps its unit."""
        std = values.std(0, correction=0)
        return cls(values.mean(0), std.where(std > 0, 1.0))

    @classmethod
    def shared(cls, values: Tensor) -> Scale:
        """With one spread for all of them, so that those which vary more count for more."""
        std = values.var(0, correction=0).mean().sqrt()
        return cls(values.mean(0), std.where(std > 0, 1.0).expand(values.shape[1]))

    def __call__(self, values: Tensor) -> Tensor:
        return (values - self.mean) / self.std


@dataclass(frozen=True)
class Head:
    """A linear layer: logits are features @ weight.T + bias, `weight` (K, F) and `bias` (K,)."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, linear: nn.Linear) -> Head:
        """The one that a network has, in float32 as features are."""
        return cls(linear.weight.detach().float(), linear.bias.detach().float())

    def __call__(self, features: Tensor) -> Tensor:
        """Logits (N, K) of features (N, F)."""
        return features @ self.weight.T + self.bias

    def after(self, scale: Scale) -> Head:
        """The head for features as they are, that says what this one says of scaled ones."""
        weight = self.weight / scale.std
        return Head(weight, self.bias - weight @ scale.mean)
