"""What is round a bird: backgrounds, perches, leaves before it, the light and the lens."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from bluebird.pixels.paint.bird import Pose, shade, smooth
from bluebird.pixels.paint.species import Colour

_PALETTES: tuple[tuple[Colour, ...], ...] = (
    ((168, 206, 240), (120, 176, 232), (222, 234, 244)),  # sky
    ((70, 112, 52), (110, 146, 66), (48, 82, 44), (160, 178, 92)),  # foliage
    ((150, 160, 84), (186, 176, 104), (110, 132, 62)),  # meadow
    ((226, 230, 238), (204, 214, 228), (186, 198, 216)),  # snow
    ((86, 128, 150), (60, 100, 130), (134, 166, 178)),  # water
    ((112, 88, 66), (146, 120, 92), (84, 66, 52)),  # bark and earth
    ((198, 124, 62), (168, 92, 48), (212, 164, 86)),  # autumn
    ((72, 92, 152), (104, 122, 180), (60, 74, 120)),  # dusk
)
_CLUTTER: tuple[Colour, ...] = (
    (52, 98, 196), (200, 98, 44), (206, 36, 36), (248, 214, 46), (236, 236, 232), (110, 70, 150), (66, 118, 214),
)  # fmt: skip


def background(rng: Generator, size_px: int, difficulty: float) -> Image.Image:
    """Out-of-focus surroundings: patches of one palette, and round lights where it is busy."""
    palette = np.array(_PALETTES[rng.integers(len(_PALETTES))], dtype=float)
    cells = 2 + int(rng.integers(1, 3 + round(6 * difficulty)))
    colours = palette[rng.integers(len(palette), size=(cells, cells))]
    colours += rng.normal(0, 6 + 16 * difficulty, colours.shape)
    small = Image.fromarray(colours.clip(0, 255).astype(np.uint8))
    scene = small.resize((size_px, size_px), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(scene)
    for _ in range(int(rng.integers(0, 1 + round(14 * difficulty)))):
        x, y = rng.uniform(0, size_px, 2)
        r = rng.uniform(0.02, 0.09) * size_px
        base = palette[rng.integers(len(palette))] * rng.uniform(0.8, 1.25)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(c) for c in base.clip(0, 255)))
    return scene.filter(ImageFilter.BoxBlur(0.012 * size_px))


def clutter(scene: Image.Image, rng: Generator, count: int, *, coloured: bool) -> None:
    """Leaves, blossoms and berries; coloured ones wear the birds' own colours."""
    draw = ImageDraw.Draw(scene)
    side = scene.width
    for _ in range(count):
        centre = rng.uniform(0, side, 2)
        if coloured and rng.random() < 0.7:
            _blossom(draw, rng, centre, side)
        else:
            leaf(draw, rng, centre, side * rng.uniform(0.05, 0.16))


def _blossom(draw: ImageDraw.ImageDraw, rng: Generator, centre: np.ndarray, side: int) -> None:
    colour = shade(_CLUTTER[rng.integers(len(_CLUTTER))], rng.uniform(0.8, 1.15))
    r = side * rng.uniform(0.02, 0.09)
    angles = rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi, int(rng.integers(1, 7)), endpoint=False)
    for x, y in centre + 0.9 * r * np.stack([np.cos(angles), np.sin(angles)], axis=1):
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    x, y = centre
    draw.ellipse((x - r / 2, y - r / 2, x + r / 2, y + r / 2), fill=_CLUTTER[rng.integers(len(_CLUTTER))])


def leaf(draw: ImageDraw.ImageDraw, rng: Generator, centre: np.ndarray, length: float) -> None:
    """One pointed leaf with its rib."""
    green = _PALETTES[1][rng.integers(4)] if rng.random() < 0.8 else _PALETTES[6][rng.integers(3)]
    colour = shade(green, rng.uniform(0.7, 1.2))
    x, y = (float(value) for value in centre)
    pose = Pose((x, y), length, tilt=rng.uniform(0, 2 * np.pi))
    shape = smooth([(-1.0, 0.0), (-0.4, -0.32), (0.3, -0.30), (1.0, 0.0), (0.3, 0.30), (-0.4, 0.32)], steps=4)
    draw.polygon(pose.place(shape), fill=colour)
    draw.line(pose.place([(-1.0, 0.0), (1.0, 0.0)]), fill=shade(colour, 0.75), width=max(1, round(length / 12)))


def perch(scene: Image.Image, rng: Generator, pose: Pose) -> None:
    """A branch, a post or the ground under the bird's feet."""
    draw = ImageDraw.Draw(scene)
    side = scene.width
    ((x, y),) = pose.place([(0.05, 0.56)])
    brown = shade(_PALETTES[5][rng.integers(3)], rng.uniform(0.6, 1.1))
    kind = rng.random()
    if kind < 0.7:
        slope = rng.uniform(-0.25, 0.25)
        width = max(2, round(rng.uniform(0.07, 0.16) * pose.scale))
        ends = [(-1.0, y - slope * (x + 1)), (side + 1.0, y + slope * (side + 1 - x))]
        draw.line(ends, fill=brown, width=width)
        draw.line([(px, py + width / 3) for px, py in ends], fill=shade(brown, 0.7), width=max(1, width // 3))
    elif kind < 0.85:
        half = rng.uniform(0.10, 0.2) * pose.scale
        draw.rectangle((x - half, y, x + half, side), fill=brown)
        draw.rectangle((x + half * 0.4, y, x + half, side), fill=shade(brown, 0.75))
    else:
        ground = shade(_PALETTES[2][rng.integers(3)], rng.uniform(0.7, 1.1))
        draw.rectangle((0, y, side, side), fill=ground)
        for _ in range(24):
            gx = rng.uniform(0, side)
            top = y - rng.uniform(0, 0.06) * side
            blade = shade(ground, rng.uniform(0.7, 1.2))
            draw.line([(gx, y + 2), (gx + rng.normal(0, 0.02) * side, top)], fill=blade, width=max(1, side // 96))


def develop(scene: Image.Image, rng: Generator, size_px: int, difficulty: float) -> Image.Image:
    """The scene as a camera gives it: light of the hour, lens blur, reduced to size, sensor noise."""
    blur = rng.uniform(0, 0.014) * difficulty * scene.width
    if blur > 0.3:
        scene = scene.filter(ImageFilter.GaussianBlur(blur))
    small = scene.resize((size_px, size_px), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32)
    tint = 1 + rng.normal(0, 0.16 * difficulty, 3)
    brightness = np.exp(rng.normal(-0.12 * difficulty, 0.42 * difficulty))
    contrast = 1 - rng.uniform(0, 0.6) * difficulty
    pixels = ((pixels - 128) * contrast + 128) * tint * brightness
    noise = rng.standard_normal(pixels.shape, dtype=np.float32) * (2 + 14 * difficulty)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
