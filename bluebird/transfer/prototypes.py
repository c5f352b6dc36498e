"""A head out of one to five pictures of each class: each class is where its pictures lie in the middle."""

from __future__ import annotations

import torch
from torch.nn import functional

from bluebird.transfer.features import Features
from bluebird.transfer.head import Head, Scale

SHARPNESS = 10.0
"""A prototype's length: how far apart the logits lie. Calibration on the val split has the last word."""


def prototypes(train: Features, num_classes: int) -> Head:
    """The head that chooses the class whose prototype has the greatest cosine with the features of a picture.

    A prototype is the mean of the class's features, each scaled (mean 0, deviation 1 over all pictures) and brought to
    length 1. As all prototypes are of one length, and a picture's own length is the same for all of them, the linear
    layer that they form ranks as the cosine does. A class without a picture gets the logit 0.

    Source: Snell et al. 2017, "Prototypical networks for few-shot learning", section 2.4 (means as a linear layer);
    cosine, and scaling after Wang et al. 2019, "SimpleShot", in the place of Euclidean distance.
    """
    scale = Scale.of(train.values.double())
    directions = functional.normalize(scale(train.values.double()), dim=1)
    sums = directions.new_zeros(num_classes, directions.shape[1]).index_add_(0, train.targets, directions)
    weight = SHARPNESS * functional.normalize(sums, dim=1) / directions.shape[1] ** 0.5
    return Head(weight, torch.zeros(num_classes, dtype=weight.dtype)).after(scale)
