from __future__ import annotations

import base64
from pathlib import Path

import pytest

from bluebird.inspection.classes import bars, class_counts, evenness, ratio, table
from bluebird.pixels.layout import Listing, Sample


def listing(counts: dict[tuple[str, str | None], int]) -> Listing:
    samples = [Sample(Path(), label, split) for (label, split), count in counts.items() for _ in range(count)]
    return Listing(Path(), samples, tuple(sorted({label for label, _ in counts})))


BIRDS = listing({("robin", "train"): 3, ("robin", "test"): 1, ("wren", "train"): 40})


def test_a_table_has_a_column_for_each_split_that_is_there_and_the_most_frequent_class_on_top() -> None:
    seen = table(class_counts(BIRDS))
    assert list(seen.head) == ["class", "train", "test", "together"]
    assert seen.rows == [["wren", "40", "0", "40"], ["robin", "3", "1", "4"]]


def test_without_splits_there_is_one_column() -> None:
    seen = table(class_counts(listing({("robin", None): 3, ("wren", None): 1_234})))
    assert list(seen.head) == ["class", "pictures"]
    assert seen.rows == [["wren", "1,234"], ["robin", "3"]]


def test_the_ratio_is_of_all_pictures_of_a_class() -> None:
    assert ratio(class_counts(BIRDS)) == pytest.approx(40 / 4)
    assert "wren, has 40 pictures, 10 times as many as the rarest, robin (4)" in evenness(class_counts(BIRDS))


def test_equal_classes_are_said_to_be_equal() -> None:
    assert evenness(class_counts(listing({("a", None): 5, ("b", None): 5}))) == "Every class has 5 pictures."


@pytest.mark.parametrize(("classes", "figures"), [(2, 1), (40, 1), (41, 2), (200, 5)])
def test_any_number_of_classes_is_drawn_forty_to_a_figure(classes: int, figures: int) -> None:
    counts = class_counts(listing({(f"{n:03d}", None): n + 1 for n in range(classes)}))
    drawn = bars(counts)
    assert len(drawn) == figures
    assert all(picture.alt for picture in drawn)


@pytest.mark.parametrize("name", ["$x_$", r"$\frac$", "鳥", "a" * 300, "<b>&amp;"])
def test_a_class_may_be_named_as_it_likes(name: str) -> None:
    (picture,) = bars(class_counts(listing({(name, None): 2, ("robin", None): 1})))
    assert base64.b64decode(picture.source.partition(",")[2]).startswith(b"<?xml")
