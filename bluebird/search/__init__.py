"""A trained model goes through a folder."""

from bluebird.search.report import write_predictions
from bluebird.search.scan import Prediction, scan

__all__ = ["Prediction", "scan", "write_predictions"]
