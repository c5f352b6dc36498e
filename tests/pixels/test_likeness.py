from __future__ import annotations

import io
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bluebird.pixels import likeness
from bluebird.pixels.likeness import alike, colours, is_plain, unsigned
from bluebird.pixels.paint import CLASS_NAMES, paint_picture


def found(hashes: list[int]) -> list[tuple[int, int, int]]:
    pieces = alike(unsigned(hashes))
    return [tuple(map(int, pair)) for piece in pieces for pair in zip(*piece, strict=True)]  # type: ignore[misc]


def slowly(hashes: list[int]) -> list[tuple[int, int, int]]:
    bits = [[bin((a ^ b) & (2**64 - 1)).count("1") for b in hashes] for a in hashes]
    return [(i, j, bits[i][j]) for i in range(len(hashes)) for j in range(i) if bits[i][j] <= 4]


def some_alike(seed: int, count: int) -> list[int]:
    rng = random.Random(seed)
    hashes = [rng.getrandbits(64) for _ in range(max(1, count // 3))]
    for _ in range(count - len(hashes)):
        dhash = rng.choice(hashes)
        for bit in rng.sample(range(64), rng.choice([0, 1, 3, 4, 5, 6])):
            dhash ^= 1 << bit
        hashes.append(dhash - 2**64 * (dhash >> 63))  # as a database keeps it
    return hashes[:count]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 70))
def test_the_pairs_are_those_of_every_two_compared(seed: int, count: int) -> None:
    hashes = some_alike(seed, count)
    assert found(hashes) == slowly(hashes)


def test_all_pairs_of_one_later_picture_come_in_one_piece() -> None:
    pieces = [set(later.tolist()) for later, _, _ in alike(unsigned([0] * 100))]
    assert len(pieces) > 1
    assert sum(map(len, pieces)) == len(set().union(*pieces)) == 99


def squares(*pictures: Image.Image) -> torch.Tensor:
    arrays = [np.array(picture.convert("RGB").resize((64, 64))) for picture in pictures]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def test_the_product_of_two_rows_is_the_correlation_of_the_pictures() -> None:
    seen = squares(*(paint_picture(name, seed=1, index=0) for name in CLASS_NAMES))
    means = seen.double().numpy().reshape(len(seen), 3, 8, 8, 8, 8).mean((3, 5)).reshape(len(seen), -1)
    rows = colours(seen)
    assert rows @ rows.T == pytest.approx(np.corrcoef(means), abs=1e-5)


def test_a_picture_made_darker_and_compressed_is_still_of_the_same_colours_and_another_is_not() -> None:
    bird, other = (paint_picture(CLASS_NAMES[0], seed=1, index=index) for index in (3, 4))
    file = io.BytesIO()
    bird.point(lambda value: value * 0.7).save(file, "JPEG", quality=30)
    first, darker, different = colours(squares(bird, Image.open(file), other))
    assert first @ darker > likeness.ALIKE_COLOURS
    assert first @ different < likeness.ALIKE_COLOURS


def test_a_sky_is_plain_and_a_bird_is_not() -> None:
    rows = np.linspace(120, 250, 64)[:, None, None] * np.ones((1, 64, 3))
    noise = np.random.default_rng(0).normal(0, 3, (64, 64, 3))
    sky = Image.fromarray((rows + noise).clip(0, 255).astype(np.uint8))
    bird = paint_picture(CLASS_NAMES[0], seed=1, index=0)
    assert is_plain(squares(sky, Image.new("RGB", (9, 9)), bird)) == [True, True, False]
