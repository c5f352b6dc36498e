"""What a person looks at while a network trains."""

from bluebird.watch.curves import SearchCurves
from bluebird.watch.progress import TrainingBar
from bluebird.watch.tensorboard import GradientNorm, ModelGraph, PictureGrid, WeightHistograms
from bluebird.watch.time_table import TimeTable

__all__ = ["GradientNorm", "ModelGraph", "PictureGrid", "SearchCurves", "TimeTable", "TrainingBar", "WeightHistograms"]
