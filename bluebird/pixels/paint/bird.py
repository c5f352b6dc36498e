"""One bird, drawn from the side by its field marks.

Shapes are given in body lengths, the bird facing right, x forward, y down, the middle of the body at
the origin; `Pose.place` takes them to pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

from bluebird.pixels.paint.species import BLACK, WHITE, Colour, Species

Points = list[tuple[float, float]]

_BODY = [(0.15, -0.42), (0.34, -0.46), (0.47, -0.36), (0.48, -0.22), (0.45, -0.08), (0.43, 0.10), (0.28, 0.30),
         (0.02, 0.36), (-0.22, 0.27), (-0.44, 0.10), (-0.46, 0.00), (-0.22, -0.12), (0.02, -0.30)]  # fmt: skip
_WING = [(0.20, -0.12), (0.24, 0.02), (0.12, 0.17), (-0.12, 0.20), (-0.40, 0.16), (-0.66, 0.14), (-0.44, 0.04),
         (-0.16, -0.08), (0.04, -0.17)]  # fmt: skip
_SPREAD = [(0.20, -0.10), (0.16, -0.34), (0.02, -0.72), (-0.22, -0.98), (-0.36, -0.94), (-0.38, -0.70),
           (-0.36, -0.44), (-0.26, -0.14)]  # fmt: skip
_HEAD = np.array((0.31, -0.27))


@dataclass(frozen=True)
class Pose:
    """Where and how the bird sits: `scale` is px per body length, `tilt` in radians, beak up if positive."""

    centre: tuple[float, float]
    scale: float
    tilt: float = 0.0
    faces_left: bool = False
    flying: bool = False
    wing_lift: float = 0.0
    head: tuple[float, float] = (0.0, 0.0)

    def place(self, points: ArrayLike) -> Points:
        """Body lengths (K, 2) to pixel pairs."""
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        turned = np.asarray(points, dtype=float) @ np.array([[cos, -sin], [sin, cos]])
        if self.faces_left:
            turned[:, 0] *= -1
        placed = turned * self.scale + np.array(self.centre)
        return [(float(x), float(y)) for x, y in placed]


def smooth(points: ArrayLike, steps: int = 6) -> NDArray[np.float64]:
    """A closed Catmull-Rom curve (K steps, 2) through K points (K, 2)."""
    p = np.asarray(points, dtype=float)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (np.roll(p, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.asarray(curve.reshape(-1, 2))


def shade(colour: Colour, factor: float) -> Colour:
    """The colour darkened (factor < 1) or lightened (> 1), cut at white."""
    r, g, b = (min(255, int(channel * factor)) for channel in colour)
    return r, g, b


def draw_bird(scene: Image.Image, species: Species, pose: Pose) -> None:
    """Paint one bird onto an RGB scene, far side first."""
    draw = ImageDraw.Draw(scene)
    if pose.flying:
        _spread_wing(draw, species, pose, far=True)
    else:
        _legs(draw, species, pose)
    _tail(draw, species, pose)
    _crest(draw, species, pose)
    _body(scene, species, pose)
    if pose.flying:
        _spread_wing(draw, species, pose, far=False)
    else:
        _folded_wing(draw, species, pose)
    _beak(draw, species, pose)
    _eye(draw, species, pose)


def _fill(draw: ImageDraw.ImageDraw, pose: Pose, points: ArrayLike, colour: Colour | int) -> None:
    draw.polygon(pose.place(points), fill=colour)


def _line(draw: ImageDraw.ImageDraw, pose: Pose, points: ArrayLike, colour: Colour, width: float) -> None:
    draw.line(pose.place(points), fill=colour, width=max(1, round(width * pose.scale)), joint="curve")


def _disc(draw: ImageDraw.ImageDraw, pose: Pose, centre: ArrayLike, radius: float, colour: Colour) -> None:
    ((x, y),) = pose.place(np.asarray(centre)[None])
    r = radius * pose.scale
    draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _ellipse(centre: tuple[float, float], radii: tuple[float, float], turn: float = 0.0) -> NDArray[np.float64]:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    x, y = radii[0] * np.cos(angle), radii[1] * np.sin(angle)
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack([centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos], axis=1)


def _outline(species: Species, pose: Pose) -> NDArray[np.float64]:
    """The silhouette of body and head; a plump bird is deeper, a turned head moves the front of it."""
    points = np.array(_BODY)
    points[:, 1] *= np.where(points[:, 1] > -0.1, species.plump, 1)
    points[:4] += pose.head
    return smooth(points)


def _body(scene: Image.Image, species: Species, pose: Pose) -> None:
    """Upper side, then under side, then head, in soft patches; light from above; cut to the silhouette."""
    mask = Image.new("L", scene.size)
    _fill(ImageDraw.Draw(mask), pose, _outline(species, pose), 255)
    box = mask.getbbox()
    if box is None:  # outside the picture
        return
    coat = Image.new("RGB", scene.size, species.back)
    draw = ImageDraw.Draw(coat)
    head = _HEAD + pose.head
    _fill(draw, pose, _ellipse((0.0, 0.34), (0.52, 0.27), -0.30), species.belly)
    _fill(draw, pose, _ellipse((0.34, 0.04), (0.24, 0.27), 0.35), species.breast)
    _fill(draw, pose, _ellipse(tuple(head), (0.24, 0.205)), species.face)
    _fill(draw, pose, _ellipse((head[0] - 0.03, head[1] - 0.14), (0.25, 0.13), 0.1), species.crown)
    _fill(draw, pose, _ellipse((head[0] + 0.12, head[1] + 0.17), (0.13, 0.10), 0.5), species.throat)
    patch = coat.crop(box).filter(ImageFilter.GaussianBlur(0.02 * pose.scale))
    _head_marks(patch, species, pose, box)
    scene.paste(_lit(patch), box, mask.crop(box))


def _head_marks(patch: Image.Image, species: Species, pose: Pose, box: tuple[int, int, int, int]) -> None:
    """Cap, mask and collar, sharp where the coat is soft."""
    draw = ImageDraw.Draw(patch)
    x, y = pose.centre
    local = Pose((x - box[0], y - box[1]), pose.scale, pose.tilt, pose.faces_left)
    head = _HEAD + pose.head
    if species.cap is not None:
        _fill(draw, local, _ellipse((head[0] + 0.10, head[1] - 0.15), (0.13, 0.09), 0.5), species.cap)
    if species.mask is not None:
        _fill(draw, local, _ellipse((head[0] + 0.18, head[1] + 0.03), (0.10, 0.13)), species.mask)
    if species.collar is not None:
        arc = [head + (-0.19, -0.02), head + (-0.10, 0.15), head + (0.02, 0.22), head + (0.16, 0.20)]
        _line(draw, local, arc, species.collar, 0.05)


def _lit(patch: Image.Image) -> Image.Image:
    """Brighter above, darker below, as under an open sky."""
    height = patch.height
    ramp = np.linspace(1.10, 0.74, height)[:, None, None]
    pixels = np.asarray(patch, dtype=np.float32) * ramp
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _tail(draw: ImageDraw.ImageDraw, species: Species, pose: Pose) -> None:
    end = -0.40 - species.tail
    _fill(draw, pose, [(-0.30, 0.0), (-0.34, 0.16), (end, 0.22), (end - 0.03, 0.12)], species.tail_colour)
    for share in (0.35, 0.7):
        y = 0.12 + 0.10 * share
        _line(draw, pose, [(-0.40, 0.06 + 0.06 * share), (end, y)], shade(species.tail_colour, 0.7), 0.012)
    if species.barred is not None:
        for x in np.linspace(end + 0.10, -0.50, 4):
            _line(draw, pose, [(x, 0.09), (x - 0.01, 0.19)], species.barred, 0.02)
        _fill(draw, pose, [(end, 0.22), (end - 0.03, 0.12), (end + 0.05, 0.12), (end + 0.07, 0.21)], WHITE)


def _crest(draw: ImageDraw.ImageDraw, species: Species, pose: Pose) -> None:
    if not species.crest:
        return
    head = _HEAD + pose.head
    tip = head + (-0.22 - 0.1 * species.crest, -0.16 - 0.55 * species.crest)
    points = [head + (0.14, -0.13), head + (0.02, -0.24), tip, head + (-0.16, -0.10), head + (-0.14, 0.04)]
    _fill(draw, pose, points, species.crown)


def _folded_wing(draw: ImageDraw.ImageDraw, species: Species, pose: Pose) -> None:
    _fill(draw, pose, smooth(np.array(_WING) + (0.0, 0.012)), shade(species.wing, 0.6))
    _fill(draw, pose, smooth(_WING), species.wing)
    for share in np.linspace(0.15, 0.85, 4):  # flight feathers, from the shoulder to the tip
        start, end = (0.10 - 0.16 * share, 0.16 - 0.16 * share), (-0.60 + 0.10 * share, 0.15 - 0.07 * share)
        _line(draw, pose, [start, end], shade(species.wing, 0.66), 0.014)
    if species.barred is not None:
        for x in np.linspace(-0.44, -0.10, 4):
            _line(draw, pose, [(x, 0.04), (x - 0.03, 0.16)], species.barred, 0.016)
    if species.wing_bar is not None:
        _line(draw, pose, [(0.14, -0.10), (0.08, 0.03), (-0.02, 0.13)], species.wing_bar, 0.05)
        _line(draw, pose, [(0.00, -0.10), (-0.08, 0.02), (-0.18, 0.12)], species.wing_bar, 0.035)


def _spread_wing(draw: ImageDraw.ImageDraw, species: Species, pose: Pose, *, far: bool) -> None:
    """A wing held up (or, with a low lift, out and down), the far one smaller and in shadow."""
    points = np.array(_SPREAD) * (1.0, pose.wing_lift) + (0.12 if far else 0.0, 0.0)
    colour = shade(species.wing, 0.7 if far else 1.0)
    _fill(draw, pose, smooth(points), colour)
    root = points[[0, -1]].mean(axis=0)
    for tip in points[3:7]:
        _line(draw, pose, [0.6 * root + 0.4 * tip, tip], shade(colour, 0.66), 0.014)
    if species.wing_bar is not None and not far:
        _line(draw, pose, [0.45 * root + 0.55 * points[2], 0.5 * root + 0.5 * points[6]], species.wing_bar, 0.05)


def _legs(draw: ImageDraw.ImageDraw, species: Species, pose: Pose) -> None:
    for x in (-0.06, 0.08):
        _line(draw, pose, [(x, 0.28), (x + 0.02, 0.52)], species.legs, 0.028)
        for toe in (-0.06, 0.07, 0.12):
            _line(draw, pose, [(x + 0.02, 0.51), (x + toe, 0.55)], species.legs, 0.024)


def _beak(draw: ImageDraw.ImageDraw, species: Species, pose: Pose) -> None:
    depth = {"needle": 0.032, "stout": 0.05, "cone": 0.085}[species.beak_shape]
    root = _HEAD + pose.head + (0.145, 0.02)
    tip = root + (species.beak_length + 0.04, 0.03)
    _fill(
        draw,
        pose,
        [root + (0, -depth), root + (0.5 * species.beak_length, -0.7 * depth), tip, root],
        species.beak,
    )
    _fill(draw, pose, [root, tip, root + (0.02, depth)], shade(species.beak, 0.75))


def _eye(draw: ImageDraw.ImageDraw, species: Species, pose: Pose) -> None:
    eye = _HEAD + pose.head + (0.075, -0.03)
    if species.eye_ring is not None:
        _disc(draw, pose, eye, 0.05, species.eye_ring)
    _disc(draw, pose, eye, 0.036, BLACK)
    _disc(draw, pose, eye + (0.010, -0.012), 0.012, WHITE)
