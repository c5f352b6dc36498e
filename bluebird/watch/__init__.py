"""What a person looks at while a network trains."""

from bluebird.watch.curves import SearchCurves
from bluebird.watch.progress import TrainingBar
from bluebird.watch.tensorboard import GradientNorm, ModelGraph, PictureGrid, WeightHistograms

__all__ = ["GradientNorm", "ModelGraph", "PictureGrid", "SearchCurves", "TrainingBar", "WeightHistograms"]
