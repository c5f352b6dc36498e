"""What somebody else's network already knows, used for birds of one's own: features once, then a head."""

from bluebird.transfer.choose import RECIPES, Choice, Recipe, choose_recipe
from bluebird.transfer.features import Features, features_of
from bluebird.transfer.head import Head
from bluebird.transfer.probe import Probe, fit_head, fit_probe
from bluebird.transfer.prototypes import prototypes

__all__ = [
    "RECIPES",
    "Choice",
    "Features",
    "Head",
    "Probe",
    "Recipe",
    "choose_recipe",
    "features_of",
    "fit_head",
    "fit_probe",
    "prototypes",
]
