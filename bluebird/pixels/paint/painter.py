"""One painted picture: a class, a seed and a number give always the same pixels."""

from __future__ import annotations

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from PIL import Image

from bluebird.errors import UsageError
from bluebird.pixels.paint import scene as scenery
from bluebird.pixels.paint.bird import Pose, draw_bird
from bluebird.pixels.paint.species import CLASS_NAMES, NO_BIRD, SPECIES

DIFFICULTY = 0.6
"""Where a perceptron is right two times in three, and a small CNN is sometimes wrong."""

_SUPERSAMPLING = 3  # shapes are drawn this much larger and averaged down, which smooths their edges
_BY_NAME = {species.name: species for species in SPECIES}


def paint_picture(
    class_name: str, *, seed: int, index: int, size_px: int = 64, difficulty: float = DIFFICULTY
) -> Image.Image:
    """Paint one picture, RGB, `size_px` square.

    Args:
        class_name: one of `CLASS_NAMES`.
        seed: names the set, `index` the picture in it; nothing else is random.
        size_px: side in px, at least 16.
        difficulty: from 0, a large bird in the middle before calm ground in good light, to 1, small,
            anywhere, half hidden, in bad light, out of focus.

    Raises:
        UsageError: an unknown class, or a size or difficulty out of range.
    """
    check_request(size_px, difficulty)
    if class_name not in CLASS_NAMES:
        raise UsageError(f"class {class_name!r} cannot be painted; expected one of {', '.join(CLASS_NAMES)}")
    rng = Generator(PCG64(SeedSequence([seed, index])))
    side = size_px * _SUPERSAMPLING
    scene = scenery.background(rng, side, difficulty)
    if class_name == NO_BIRD:
        scenery.clutter(scene, rng, 2 + int(rng.integers(1, 8)), coloured=True)
        if rng.random() < 0.6:
            scenery.perch(scene, rng, _pose(rng, side, difficulty))
    else:
        scenery.clutter(scene, rng, int(rng.integers(0, 1 + round(6 * difficulty))), coloured=True)
        pose = _pose(rng, side, difficulty)
        if not pose.flying:
            scenery.perch(scene, rng, pose)
        draw_bird(scene, _BY_NAME[class_name], pose)
    scenery.clutter(scene, rng, int(rng.integers(0, 1 + round(5 * difficulty))), coloured=False)
    return scenery.develop(scene, rng, size_px, difficulty)


def check_request(size_px: int, difficulty: float) -> None:
    """Raise `UsageError` unless size and difficulty can be painted."""
    if size_px < 16:
        raise UsageError(f"size is {size_px} px; expected at least 16")
    if not 0 <= difficulty <= 1:
        raise UsageError(f"difficulty is {difficulty}; expected a number from 0 to 1")


def _pose(rng: Generator, side: int, difficulty: float) -> Pose:
    """Difficulty makes birds smaller, further from the middle, and tilts them more."""
    scale = side * (0.56 - 0.40 * difficulty * rng.random()) * rng.uniform(0.9, 1.1)
    reach = max(0.02, 0.45 * difficulty) * (side - 0.8 * scale)
    x, y = side / 2 + rng.uniform(-0.5, 0.5, 2) * reach
    tilt = np.deg2rad(rng.normal(12, 6 + 20 * difficulty))
    flying = rng.random() < 0.30 * difficulty
    lift = rng.uniform(0.5, 1.0) * (1 if rng.random() < 0.75 else -0.8)
    head = (rng.uniform(-0.04, 0.03), rng.uniform(-0.03, 0.05))
    return Pose((x, y), scale, tilt, bool(rng.random() < 0.5), bool(flying), lift, head)
