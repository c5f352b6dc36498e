"""Picture files become batches: decode, lay out, split, cache, transform."""

from bluebird.pixels.datamodule import BirdData
from bluebird.pixels.decode import decode
from bluebird.pixels.transforms import Augment

__all__ = ["Augment", "BirdData", "decode"]
