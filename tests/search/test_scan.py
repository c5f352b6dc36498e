from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bluebird.bundle import Bundle, Preprocessing
from bluebird.errors import OutputError
from bluebird.nets import CNN
from bluebird.search import Prediction, scan, write_predictions

CLASSES = ("a", "b", "c")


@pytest.fixture
def model() -> Bundle:
    torch.manual_seed(0)
    network = CNN(3, 16, stem=4, widths=[8], blocks=[1]).eval()
    return Bundle(network, CLASSES, Preprocessing(16, [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    files = [tmp_path / "in" / f"{n:02d}.png" for n in range(30)]
    files[0].parent.mkdir()
    for file in files:
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(file)
    files[4].write_text("no picture")
    return files


def test_each_path_gets_one_prediction_in_its_place(model: Bundle, paths: list[Path]) -> None:
    predictions = list(scan(model, paths, batch_size=7))
    assert [prediction.path for prediction in predictions] == paths
    assert [prediction.path for prediction in predictions if prediction.error] == [paths[4]]
    for prediction in predictions[:4]:
        pixels = np.asarray(Image.open(prediction.path).copy()).transpose(2, 0, 1) / 255
        mean, std = (np.reshape(v, (3, 1, 1)) for v in (model.preprocessing.mean, model.preprocessing.std))
        expected = model.network(torch.from_numpy((pixels - mean) / std).float()[None])[0]
        assert prediction.probs is not None
        torch.testing.assert_close(prediction.probs, expected.detach(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("batch_size", "num_threads"), [(1, 1), (4, 3), (64, 2)])
def test_neither_batch_nor_threads_change_a_probability(
    model: Bundle, paths: list[Path], batch_size: int, num_threads: int
) -> None:
    expected = [p.probs for p in scan(model, paths, batch_size=5)]
    got = [p.probs for p in scan(model, paths, batch_size=batch_size, num_threads=num_threads)]
    for one, other in zip(got, expected, strict=True):
        if one is None or other is None:
            assert one is other
        else:
            torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_a_scan_takes_paths_only_as_it_needs_them(model: Bundle, paths: list[Path]) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield paths[taken % 4]

    predictions = scan(model, endless(), batch_size=3)
    for _ in range(50):
        next(predictions)
    assert taken < 50 + 4 * 3


def test_a_batch_of_nothing_but_broken_files_passes(model: Bundle, paths: list[Path]) -> None:
    assert [p.error is None for p in scan(model, [paths[4]] * 5, batch_size=2)] == [False] * 5


def _rows(table: Path) -> list[list[str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_a_table_has_the_best_classes_first_or_the_reason(tmp_path: Path) -> None:
    predictions = [
        Prediction(tmp_path / "x" / "1.jpg", torch.tensor([0.2, 0.7, 0.1])),
        Prediction(tmp_path / "2.jpg", error="the file is empty (0 bytes)"),
        Prediction(tmp_path / "3.jpg", torch.tensor([0.25, 0.5, 0.25])),
    ]
    write_predictions(predictions, tmp_path / "out" / "p.csv", tmp_path, CLASSES, top_k=2)
    assert _rows(tmp_path / "out" / "p.csv") == [
        ["path", "class_1", "prob_1", "class_2", "prob_2", "error"],
        ["x/1.jpg", "b", "0.700000", "a", "0.200000", ""],
        ["2.jpg", "", "", "", "", "the file is empty (0 bytes)"],
        ["3.jpg", "b", "0.500000", "a", "0.250000", ""],
    ]


def test_a_name_of_any_bytes_is_one_row(tmp_path: Path) -> None:
    name = os.fsdecode(b'a "b",\nc\xff.jpg')
    write_predictions([Prediction(tmp_path / name, error="x")], tmp_path / "p.csv", tmp_path, CLASSES, top_k=9)
    assert _rows(tmp_path / "p.csv")[1:] == [['a "b",\nc\\udcff.jpg', *[""] * 6, "x"]]


def test_rows_are_on_disk_as_soon_as_they_come(tmp_path: Path) -> None:
    def watched() -> Iterator[Prediction]:
        yield Prediction(tmp_path / "1.jpg", error="x")
        assert len(_rows(tmp_path / "p.csv")) == 2
        yield Prediction(tmp_path / "2.jpg", error="x")
        assert len(_rows(tmp_path / "p.csv")) == 3

    write_predictions(watched(), tmp_path / "p.csv", tmp_path, CLASSES)


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    (tmp_path / "p.csv").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        write_predictions([Prediction(tmp_path / "1.jpg", error="x")], tmp_path / "p.csv", tmp_path, CLASSES)
