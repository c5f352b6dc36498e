"""What steers a training, and what of it is kept."""

from bluebird.callbacks.averages import MovingAverage, StochasticAverage
from bluebird.callbacks.keeping import BestCheckpoint
from bluebird.callbacks.steering import Converged, EpochSeed, Interrupt, ModelCard

__all__ = ["BestCheckpoint", "Converged", "EpochSeed", "Interrupt", "ModelCard", "MovingAverage", "StochasticAverage"]
