"""A trained model as a few files that any machine can read and nobody can run code with.

model.safetensors        the weights
validation.safetensors   what it said of the pictures held out to validate: thresholds are chosen by them
model.json               everything else: architecture and arguments, class names in order, image size, mean and std,
                         temperature, fingerprint of the training data, versions, metrics, digests
"""

from bluebird.bundle.model import Bundle, Preprocessing, Validation, assemble, describe
from bluebird.bundle.storage import bundle_folder, load_model, save_bundle, versions

__all__ = [
    "Bundle",
    "Preprocessing",
    "Validation",
    "assemble",
    "bundle_folder",
    "describe",
    "load_model",
    "save_bundle",
    "versions",
]
