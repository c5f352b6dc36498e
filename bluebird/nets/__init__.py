"""Networks: batches of normalised images (N, 3, S, S) become probabilities (N, K)."""

from bluebird.nets.backbone import Backbone
from bluebird.nets.cnn import CNN
from bluebird.nets.mlp import MLP
from bluebird.nets.network import Network
from bluebird.nets.whitened import WhitenedCNN

__all__ = ["CNN", "MLP", "Backbone", "Network", "WhitenedCNN"]
