"""Painted birds: a labelled set of pictures that needs no download."""

from bluebird.pixels.paint.folder import contact_sheet, paint_folder
from bluebird.pixels.paint.painter import DIFFICULTY, paint_picture
from bluebird.pixels.paint.species import CLASS_NAMES, SPECIES, Species

__all__ = ["CLASS_NAMES", "DIFFICULTY", "SPECIES", "Species", "contact_sheet", "paint_folder", "paint_picture"]
