from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from bluebird.inspection.labels import judge_labels
from bluebird.pixels.layout import Listing, Sample
from tests.inspection.sets import bird, looked_at, paint, problems


def clouds(counts: dict[str, int], seed: int = 0) -> tuple[Listing, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """Samples of each class, and features that lie round the class's own corner."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    names = tuple(sorted(counts))
    corners = np.eye(len(names))[[names.index(label) for label in labels]]
    noise = np.random.default_rng(seed).normal(0, 0.1, corners.shape)
    return Listing(Path(), [Sample(Path(str(n)), label) for n, label in enumerate(labels)], names), np.float32(
        corners + noise
    )


def test_planted_wrong_labels_among_painted_birds_are_the_first_suspects(tmp_path: Path) -> None:
    for label in ("cardinal", "goldfinch", "no_bird"):
        paint(tmp_path, label, 30)
    bird("goldfinch", 500).save(tmp_path / "cardinal" / "wrong.png")
    bird("cardinal", 500).save(tmp_path / "no_bird" / "wrong.png")
    found = looked_at(tmp_path)
    first = [found.listing.samples[problem.row].path for problem in found.of("label")[:2]]
    assert set(first) == {tmp_path / "cardinal" / "wrong.png", tmp_path / "no_bird" / "wrong.png"}
    assert {problem.suggestion for problem in found.of("label")[:2]} == {"goldfinch", "cardinal"}
    assert found.labels.is_trusted


def test_suspects_come_in_the_order_of_their_likelihood(tmp_path: Path) -> None:
    for label in ("cardinal", "goldfinch", "no_bird"):
        paint(tmp_path, label, 30)
    for index in range(6):
        bird("goldfinch", 500 + index).save(tmp_path / "cardinal" / f"{index}.png")
    found = looked_at(tmp_path).of("label")
    own = [float(problem.detail.rpartition(" ")[2].rstrip(")")) for problem in found]
    assert own == sorted(own)
    assert len(set(own)) > 2
    assert [problem.row for problem in found] != sorted(problem.row for problem in found)


def test_exactly_the_swapped_labels_are_named_where_classes_lie_apart() -> None:
    listing, features = clouds({"a": 40, "b": 40, "c": 40})
    swapped = {3: "b", 50: "c", 100: "a"}
    samples = [Sample(s.path, swapped.get(n, s.label)) for n, s in enumerate(listing.samples)]
    judged = judge_labels(Listing(Path(), samples, listing.classes), range(120), features)
    assert {problem.row: problem.suggestion for problem in judged.problems} == {3: "a", 50: "b", 100: "c"}
    assert judged.agreement == pytest.approx(117 / 120)


def test_rows_are_those_of_the_listing() -> None:
    listing, features = clouds({"a": 30, "b": 30})
    samples = [*listing.samples]
    samples[40] = Sample(samples[40].path, "a")
    rows = [row for row in range(60) if row % 7]
    (problem,) = judge_labels(Listing(Path(), samples, ("a", "b")), rows, features[rows]).problems
    assert problem.row == 40


def test_classes_with_fewer_than_five_pictures_are_left_out_and_named() -> None:
    listing, features = clouds({"a": 20, "b": 20, "rare": 4})
    judged = judge_labels(listing, range(44), features)
    assert (judged.judged, list(judged.left_out), judged.missing) == (40, ["rare"], "")


def test_one_class_alone_cannot_be_judged_and_that_is_said() -> None:
    listing, features = clouds({"a": 20, "rare": 4})
    judged = judge_labels(listing, range(24), features)
    assert (judged.judged, judged.problems) == (0, [])
    assert "two classes of at least 5" in judged.missing


def test_features_that_know_nothing_are_not_trusted_and_name_few() -> None:
    listing, features = clouds(dict.fromkeys("abcdefghij", 40))
    judged = judge_labels(listing, range(400), np.random.default_rng(1).permutation(features))
    assert not judged.is_trusted
    assert len(judged.problems) == 20


def test_features_that_are_all_the_same_are_no_mishap() -> None:
    listing, features = clouds({"a": 20, "b": 20})
    assert not judge_labels(listing, range(40), np.ones_like(features)).is_trusted


@pytest.mark.parametrize("library", ["cleanlab", "sklearn"])
def test_without_its_libraries_nothing_is_judged_and_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: str
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("cleanlab", "sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)  # as Python marks what is not there
    for label in ("cardinal", "robin"):
        paint(tmp_path, label, 6)
    found = looked_at(tmp_path)
    assert not problems(found)
    assert "pip install 'bluebird[inspect]'" in found.labels.missing
