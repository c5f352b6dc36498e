"""What the weights that a training begins with want pictures to be like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bluebird.bundle import Preprocessing, load_model
from bluebird.nets.architectures import native

_BACKBONE = "bluebird.nets.Backbone"


def preprocessing_of(config: Any) -> Preprocessing | None:
    """Side, mean and std of the pictures that `--weights` was trained on; None where nothing is known of them.

    Of a model of Bluebird's, its own; of other weights, what the library says of its weights of that architecture.

    Raises:
        UsageError: no library has an architecture of this name.
        BundleError: a folder that holds no model.
    """
    network = config.model.network
    if not config.weights or network.class_path != _BACKBONE:
        return None
    if Path(config.weights).is_dir():
        return load_model(Path(config.weights)).preprocessing
    known = native(network.init_args.name)
    return Preprocessing(known.side_px, list(known.mean), list(known.std))
