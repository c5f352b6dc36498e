"""What steers a training."""

from bluebird.callbacks.averages import MovingAverage, StochasticAverage
from bluebird.callbacks.steering import Converged, EpochSeed, Interrupt, ModelCard

__all__ = ["Converged", "EpochSeed", "Interrupt", "ModelCard", "MovingAverage", "StochasticAverage"]
