"""Features that are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bluebird.bundle import Bundle, Preprocessing
from bluebird.engines.engine import Engine
from bluebird.engines.opened import open_engine
from bluebird.errors import OutputError
from bluebird.nets import CNN
from bluebird.transfer import features_of

COUNT = 70  # more than one batch
PIXELS = torch.randint(0, 256, (COUNT, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(COUNT) % 3


class Counted:
    """Gives pictures and counts how many it was asked for."""

    asked = 0

    def __call__(self, numbers: Sequence[int]) -> Tensor:
        self.asked += len(numbers)
        return PIXELS[list(numbers)]


@pytest.fixture(scope="module")
def model() -> Bundle:
    torch.manual_seed(0)
    network = CNN(3, 16, stem=4, widths=[8], blocks=[0]).eval()
    return Bundle(network, ("a", "b", "c"), Preprocessing(16, [0.5] * 3, [0.25] * 3))


@pytest.fixture(scope="module")
def engine(model: Bundle) -> Engine:
    return open_engine(model, Path(), "torch")[0]


def test_they_are_what_the_last_layer_sees(model: Bundle, engine: Engine, tmp_path: Path) -> None:
    features = features_of(engine, Counted(), TARGETS, tmp_path, ["net", "pictures"])
    with torch.no_grad():
        expected = model.network.features((PIXELS.float() / 255 - 0.5) / 0.25)
    assert torch.allclose(features.values, expected, atol=1e-4)
    assert torch.equal(features.targets, TARGETS)


def test_the_second_time_no_picture_is_asked_for(engine: Engine, tmp_path: Path) -> None:
    pictures = Counted()
    first = features_of(engine, pictures, TARGETS, tmp_path / "kept", ["net", "pictures"])
    second = features_of(engine, pictures, TARGETS, tmp_path / "kept", ["net", "pictures"])
    assert pictures.asked == COUNT
    assert torch.equal(first.values, second.values)


@pytest.mark.parametrize("key", [["other", "pictures"], ["net", "others"], ["net"], ["netpictures"]])
def test_another_network_or_other_pictures_are_asked_anew(engine: Engine, tmp_path: Path, key: list[str]) -> None:
    pictures = Counted()
    for one in (["net", "pictures"], key):
        features_of(engine, pictures, TARGETS, tmp_path, one)
    assert pictures.asked == 2 * COUNT


def test_a_damaged_file_is_made_anew(engine: Engine, tmp_path: Path) -> None:
    pictures = Counted()
    first = features_of(engine, pictures, TARGETS, tmp_path, ["key"])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    again = features_of(engine, pictures, TARGETS, tmp_path, ["key"])
    assert pictures.asked == 2 * COUNT
    assert torch.equal(first.values, again.values)


def test_a_place_that_cannot_be_written_is_named(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    with pytest.raises(OutputError, match="in the way"):
        features_of(engine, Counted(), TARGETS, tmp_path / "in the way", ["key"])
