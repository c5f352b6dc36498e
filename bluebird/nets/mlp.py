"""The multilayer perceptron: a supply chain of linear layers, each with its gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from bluebird.errors import UsageError
from bluebird.nets.network import Network, check_dropout, check_widths

# What an activation multiplies the spread of its input by, undone by the initialisation.
_ACTIVATIONS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "relu": (nn.ReLU, "relu"),
    "gelu": (nn.GELU, "relu"),  # gelu and silu halve their input like relu, near enough
    "silu": (nn.SiLU, "relu"),
    "tanh": (nn.Tanh, "tanh"),
    "sigmoid": (nn.Sigmoid, "sigmoid"),
}


class MLP(Network):
    """Pixels in one row, then linear -> activation -> dropout for each width, then linear -> softmax.

    Weights are drawn, never zero: neurons of a layer that start equal get equal gradients and stay
    equal for ever, so a layer of zeros would learn as if it had one neuron. The draw keeps the spread
    of the signal from layer to layer: He's normal for the ReLU family, Glorot's for tanh and sigmoid.
    Biases break no symmetry and start at zero.

    Args:
        num_classes: K, the number of probabilities.
        image_size: side S of the pictures in px.
        widths: units of each hidden layer; none makes it a softmax regression.
        activation: relu, gelu, silu, tanh or sigmoid.
        dropout: probability with which each hidden unit rests in a training step.

    Raises:
        UsageError: an argument outside what is said above.

    Source: initialisation after He et al. 2015 (arXiv 1502.01852), eq. 10, and Glorot & Bengio 2010,
    eq. 12 in its normal form; dropout after Srivastava et al. 2014, scaled in training, not afterwards.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int,
        widths: Sequence[int] = (512, 256),
        activation: str = "relu",
        dropout: float = 0.2,
    ) -> None:
        super().__init__(num_classes, image_size)
        if activation not in _ACTIVATIONS:
            raise UsageError(f"activation is {activation!r}; expected one of {', '.join(_ACTIVATIONS)}")
        check_dropout(dropout)
        check_widths(list(widths))
        self.arguments |= {"widths": list(widths), "activation": activation, "dropout": dropout}
        make_activation, self._gain = _ACTIVATIONS[activation]
        layers: list[nn.Module] = [nn.Flatten()]  # (N, 3, S, S) -> (N, 3 S S)
        units = 3 * image_size * image_size
        for width in widths:
            layers += [nn.Linear(units, width), make_activation(), nn.Dropout(dropout)]
            units = width
        self.layers = nn.Sequential(*layers, nn.Linear(units, num_classes))
        self._initialise()

    def features(self, images: Tensor) -> Tensor:
        for layer in list(self.layers)[:-1]:
            images = layer(images)
        return images

    def decide(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layers[-1](features)
        return logits

    @torch.no_grad()
    def _initialise(self) -> None:
        linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        for linear in linears:
            if self._gain == "relu" and linear is not linears[-1]:
                nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            else:
                nn.init.xavier_normal_(linear.weight)
            nn.init.zeros_(linear.bias)
