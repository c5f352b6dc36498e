from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bluebird.inspection.copies import Looks, find_copies
from bluebird.pixels.layout import Listing, Sample
from tests.inspection.sets import bird, looked_at, paint, problems

COPIES = ("copy", "copy across splits", "copy across classes")


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Split folders of two classes without a fault."""
    for label in ("cardinal", "robin"):
        paint(tmp_path / "train", label, 6)
        paint(tmp_path / "test", label, 3, first=50)
    return tmp_path


def near(source: Path, copy: Path) -> None:
    with Image.open(source) as image:
        image.resize((90, 90)).save(copy, quality=60)


def test_painted_birds_hold_no_copies(birds: Path) -> None:
    assert not problems(looked_at(birds), *COPIES)


def test_planted_copies_are_found_told_apart_and_no_others(birds: Path) -> None:
    shutil.copy(birds / "train/robin/000.png", birds / "test/robin/leak.png")
    near(birds / "train/robin/001.png", birds / "test/robin/near.jpg")
    near(birds / "train/robin/002.png", birds / "train/cardinal/cross.jpg")
    shutil.copy(birds / "train/robin/003.png", birds / "train/robin/again.png")
    assert problems(looked_at(birds), *COPIES) == {
        ("copy across splits", "test/robin/leak.png"),
        ("copy across splits", "test/robin/near.jpg"),
        ("copy across classes", "train/robin/002.png"),
        ("copy", "train/robin/again.png"),
    }


def test_a_copy_across_both_splits_and_classes_is_told_of_twice(birds: Path) -> None:
    shutil.copy(birds / "train/robin/000.png", birds / "test/cardinal/both.png")
    found = {(kind, path) for kind, path in problems(looked_at(birds), *COPIES)}
    assert found == {(kind, "test/cardinal/both.png") for kind in ("copy across splits", "copy across classes")}


def test_what_it_is_a_copy_of_is_named_equal_bytes_before_near_ones(birds: Path) -> None:
    near(birds / "train/robin/004.png", birds / "train/robin/000a.jpg")
    shutil.copy(birds / "train/robin/004.png", birds / "test/robin/leak.png")
    (problem,) = looked_at(birds).of("copy across splits")
    assert problem.detail == "the same bytes as train/robin/004.png (robin, train)"
    assert problem.same_bytes


def test_clear_skies_are_copies_only_where_their_bytes_are_equal(birds: Path) -> None:
    for number, shade in enumerate((200, 230)):
        Image.new("RGB", (64, 64), (90, 150, shade)).save(birds / f"train/robin/sky{number}.png")
    shutil.copy(birds / "train/robin/sky0.png", birds / "test/robin/sky.png")
    found = looked_at(birds)
    assert problems(found, *COPIES) == {("copy across splits", "test/robin/sky.png")}
    assert len(found.of("plain")) == 3


def test_equal_hashes_of_other_colours_are_no_copies(birds: Path) -> None:
    picture = np.array(bird("robin", 77).convert("L"), np.int64)
    red, blue = (np.stack([picture // weight for weight in weights], 2) for weights in ((1, 9, 9), (9, 9, 1)))
    Image.fromarray((red * 0.9 + 20).astype(np.uint8)).save(birds / "train/robin/red.png")
    Image.fromarray((blue * 0.9 + 20).astype(np.uint8)).save(birds / "train/cardinal/blue.png")
    assert not problems(looked_at(birds), *COPIES)


def slowly(listing: Listing, looks: Looks) -> Iterator[tuple[str, int, int]]:
    """Kind, picture and what it is a copy of, as the rule reads."""
    order = sorted(range(len(looks.rows)), key=lambda n: ("train", "val", "test").index(listing.samples[n].split or ""))
    for place, one in enumerate(order):
        best: dict[str, tuple[int, int, int]] = {}
        for before, other in enumerate(order[:place]):
            a, b = listing.samples[one], listing.samples[other]
            bits = bin(int(looks.hashes[one]) ^ int(looks.hashes[other])).count("1")
            same = looks.digests[one] == looks.digests[other]
            if not same and (bits > 4 or looks.plain[one] or looks.plain[other]):
                continue
            harms = {"copy across splits": a.split != b.split, "copy across classes": a.label != b.label}
            kinds = [kind for kind, differs in harms.items() if differs]
            for kind in kinds or ["copy"]:
                rank = (-1 if same else bits, before, other)
                best[kind] = min(best.get(kind, rank), rank)
        yield from ((kind, one, rank[2]) for kind, rank in best.items())


@pytest.mark.parametrize("seed", range(5))
def test_they_are_those_of_every_two_compared(seed: int) -> None:
    rng = random.Random(seed)
    contents = [rng.getrandbits(64) for _ in range(30)]
    hashes = []
    for _ in range(150):
        dhash = rng.choice(contents)
        for bit in rng.sample(range(64), rng.choice([0, 0, 1, 2, 4, 5])):
            dhash ^= 1 << bit
        hashes.append(dhash)
    samples = [Sample(Path(f"{n}"), rng.choice("ab"), rng.choice(["train", "val", "test"])) for n in range(150)]
    listing = Listing(Path(), samples, ("a", "b"))
    digests = np.array([f"{dhash} {rng.choice('xy')}" for dhash in hashes])  # equal hashes of other bytes too
    plain = np.array([rng.random() < 0.2 for _ in hashes])
    looks = Looks(np.arange(150), digests, np.array(hashes, np.uint64), np.ones((150, 1), np.float32), plain)
    found = [(problem.kind, problem.row, problem.other) for problem in find_copies(listing, looks)]
    assert sorted(found) == sorted(slowly(listing, looks))
    assert len(found) > 50
