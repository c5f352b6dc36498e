"""The networks that find Bluebird, opened: by-hand twins, training by them, and an audit of autograd by them."""

from bluebird.twins.audit import GradientAudit
from bluebird.twins.optim import SGD, Adam
from bluebird.twins.training import ByHandClassifier
from bluebird.twins.twin import twin

__all__ = ["SGD", "Adam", "ByHandClassifier", "GradientAudit", "twin"]
