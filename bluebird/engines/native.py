"""The network in torch's own hands, on any device that torch knows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bluebird.bundle import Bundle
from bluebird.engines import cores
from bluebird.engines.whole import fused

CPU = torch.device("cpu")


class Torch:
    """Asks the network on `device`: fused, channels last, linear layers steady.

    On a CPU each thread computes alone, and there are as many as cores: none of them ever waits for another.
    """

    def __init__(self, model: Bundle, device: torch.device = CPU) -> None:
        self.streams = cores() if device.type == "cpu" else 1
        self._device = device
        self._network = _channels_last(_steady(fused(model)).to(device))

    def enter_thread(self) -> None:
        """Called once in each thread before it asks."""
        if self._device.type == "cpu":
            torch.set_num_threads(1)

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities, logits and features of pixels uint8 (N, 3, S, S), on the CPU."""
        outputs = self._network(pixels.to(self._device, memory_format=torch.channels_last, non_blocking=True))
        probs, logits, features = (output.float().cpu() for output in outputs)
        return probs, logits, features


class _SteadyLinear(nn.Module):
    """A linear layer (N, I) to (N, O) that adds up every row in the same order.

    Matrix libraries take a row another way where it does not begin at a multiple of 64 bytes: zeros are added until
    it does. (They also do so with the last rows that fill no block of 8; `Engine` leaves none.)
    """

    _weight: Tensor
    _bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._missing = -linear.in_features % 16
        self.register_buffer("_weight", functional.pad(linear.weight.detach(), (0, self._missing)))
        self.register_buffer("_bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, features: Tensor) -> Tensor:
        return functional.linear(functional.pad(features, (0, self._missing)), self._weight, self._bias)


def _channels_last(network: nn.Module) -> nn.Module:
    """Kernels with their channels last in memory; a module's own `to` refuses tensors of five axes beside them."""
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)
    return network


def _steady(network: nn.Module) -> nn.Module:
    for name, module in list(network.named_modules()):
        if type(module) is nn.Linear:  # attention has a linear layer of a kind of its own, whose weights it reads
            network.set_submodule(name, _SteadyLinear(module))
    return network
