"""A model of two birds."""

from __future__ import annotations

from bluebird.bundle import Bundle, Preprocessing
from bluebird.nets import MLP, Network

PREPROCESSING = Preprocessing(16, [0.1, 0.2, 0.3], [0.4, 0.5, 0.6])


def made(network: Network | None = None) -> Bundle:
    network = network or MLP(2, 16, widths=[8])
    return Bundle(network.eval(), ("jay", "wren"), PREPROCESSING, "print", {"test/accuracy": 0.5}, [1.0, 2.5])
