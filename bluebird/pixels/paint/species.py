"""Who can be painted: each species by the field marks a birder would name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]

WHITE: Colour = (244, 243, 238)
BLACK: Colour = (28, 27, 30)
SILVER: Colour = (172, 176, 184)


@dataclass(frozen=True)
class Species:
    """Field marks of one species; colours are 8-bit RGB in daylight.

    `beak_shape` is needle, cone or stout; `crest` is its height and `tail` its length as a share of
    the body's; marks that a species lacks are None.
    """

    name: str
    crown: Colour
    face: Colour
    throat: Colour
    breast: Colour
    belly: Colour
    back: Colour
    wing: Colour
    tail_colour: Colour
    beak: Colour
    wing_bar: Colour | None = None
    mask: Colour | None = None
    cap: Colour | None = None
    collar: Colour | None = None
    eye_ring: Colour | None = None
    barred: Colour | None = None
    legs: Colour = (74, 62, 56)
    beak_shape: Literal["needle", "cone", "stout"] = "needle"
    beak_length: float = 0.15
    crest: float = 0.0
    tail: float = 0.42
    plump: float = 1.0


SPECIES: tuple[Species, ...] = (
    Species(  # Eastern Bluebird: blue above, rust on throat and breast, white belly
        "bluebird",
        crown=(50, 98, 196), face=(54, 100, 192), throat=(190, 96, 48), breast=(200, 98, 44), belly=WHITE,
        back=(48, 94, 196), wing=(38, 80, 184), tail_colour=(36, 74, 170), beak=BLACK,
    ),
    Species(  # blue from head to tail, silver cone
        "indigo_bunting",
        crown=(54, 60, 190), face=(44, 76, 206), throat=(40, 84, 208), breast=(44, 96, 214), belly=(62, 116, 220),
        back=(42, 86, 208), wing=(40, 62, 128), tail_colour=(38, 58, 128), beak=SILVER, beak_shape="cone",
        beak_length=0.12,
    ),
    Species(  # crest, black collar, white bars on wing, pale below
        "blue_jay",
        crown=(94, 132, 206), face=(226, 229, 236), throat=(226, 228, 232), breast=(204, 206, 214),
        belly=(226, 227, 230), back=(98, 128, 196), wing=(66, 118, 214), tail_colour=(62, 112, 208), beak=BLACK,
        wing_bar=WHITE, collar=BLACK, barred=BLACK, beak_shape="stout", beak_length=0.19, crest=0.32, tail=0.66,
    ),
    Species(  # the nearest look-alike: blue and orange too, but with white wing bars and a cone
        "lazuli_bunting",
        crown=(64, 152, 214), face=(62, 148, 212), throat=(64, 146, 208), breast=(222, 142, 72), belly=WHITE,
        back=(78, 132, 188), wing=(72, 88, 116), tail_colour=(70, 96, 140), beak=SILVER, wing_bar=WHITE,
        beak_shape="cone", beak_length=0.12,
    ),
    Species(  # deep blue, rusty wing bars, a great beak
        "blue_grosbeak",
        crown=(40, 56, 156), face=(36, 54, 152), throat=(40, 60, 160), breast=(42, 64, 164), belly=(54, 76, 170),
        back=(38, 56, 150), wing=(44, 46, 72), tail_colour=(38, 46, 96), beak=(120, 122, 130),
        wing_bar=(186, 98, 46), mask=BLACK, beak_shape="cone", beak_length=0.21, tail=0.46, plump=1.06,
    ),
    Species(  # American Robin: grey-brown above, brick below, yellow beak
        "robin",
        crown=(50, 46, 46), face=(54, 50, 50), throat=(72, 62, 58), breast=(192, 82, 36), belly=(196, 90, 44),
        back=(100, 94, 88), wing=(92, 86, 80), tail_colour=(60, 56, 56), beak=(232, 182, 52), eye_ring=WHITE,
        beak_length=0.18, plump=1.06, tail=0.46,
    ),
    Species(  # red all over, crest, black face
        "cardinal",
        crown=(206, 36, 36), face=(206, 34, 36), throat=(190, 30, 34), breast=(214, 40, 40), belly=(210, 44, 44),
        back=(176, 40, 44), wing=(158, 36, 42), tail_colour=(172, 34, 40), beak=(238, 102, 56), mask=BLACK,
        beak_shape="cone", beak_length=0.17, crest=0.42, tail=0.62,
    ),
    Species(  # yellow, black cap, black wing with a white bar
        "goldfinch",
        crown=(248, 214, 46), face=(248, 216, 50), throat=(250, 220, 56), breast=(250, 218, 52),
        belly=(248, 226, 110), back=(238, 204, 48), wing=BLACK, tail_colour=BLACK, beak=(238, 158, 104),
        wing_bar=WHITE, cap=BLACK, beak_shape="cone", beak_length=0.11, tail=0.36,
    ),
    Species(  # black cap and bib, white cheek, grey back
        "chickadee",
        crown=BLACK, face=WHITE, throat=BLACK, breast=(226, 216, 200), belly=(222, 200, 168), back=(134, 136, 138),
        wing=(112, 116, 124), tail_colour=(108, 112, 118), beak=BLACK, wing_bar=(206, 208, 210),
        beak_length=0.08, tail=0.46, plump=1.1,
    ),
)  # fmt: skip

NO_BIRD = "no_bird"
CLASS_NAMES: tuple[str, ...] = (*(species.name for species in SPECIES), NO_BIRD)
