from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard.writer import SummaryWriter

from bluebird.bundle import Bundle, Preprocessing, Validation
from bluebird.nets import CNN
from bluebird.report.board import Board

NETWORK = CNN(3, 16, stem=4, widths=[8], blocks=[1]).eval()
MODEL = Bundle(NETWORK, ("blue", "green", "red"), Preprocessing(16, [0.5] * 3, [0.25] * 3))
FEATURES = torch.randn(20, 8, generator=torch.Generator().manual_seed(2))
PIXELS = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8)


def _shown(folder: Path, model: Bundle, target: list[str]) -> EventAccumulator:
    logits, targets = torch.randn(20, 3, generator=torch.Generator().manual_seed(1)), torch.arange(20) % 2
    with SummaryWriter(str(folder)) as writer:
        Board(writer, 7).show(
            model,
            lambda numbers: PIXELS[list(numbers)],
            lambda numbers: FEATURES[list(numbers)],
            Validation(logits, targets),
            target,
        )
    return EventAccumulator(str(folder), {"images": 0, "tensors": 0}).Reload()


def test_the_worst_mistakes_are_shown_beside_where_it_looked(tmp_path: Path) -> None:
    events = _shown(tmp_path, MODEL, ["blue"])
    assert {"val/worst_mistakes", "val/worst_mistakes_why"} <= set(events.Tags()["images"])
    assert {event.step for event in events.Images("val/worst_mistakes")} == {7}
    (text,) = [event.tensor_proto.string_val[0].decode() for event in events.Tensors("val/worst_mistakes/text_summary")]
    logits, targets = torch.randn(20, 3, generator=torch.Generator().manual_seed(1)), torch.arange(20) % 2
    probs = logits.softmax(1)
    gap = probs.max(1).values - probs[torch.arange(20), targets]
    worst = int(gap.argmax())
    said = f"1. {MODEL.classes[targets[worst]]}, taken for {MODEL.classes[logits[worst].argmax()]}"
    assert text.startswith(said)


def test_without_a_picture_of_the_target_the_rest_is_shown(tmp_path: Path) -> None:
    for number, target in enumerate([["red"], []]):
        events = _shown(tmp_path / str(number), MODEL, target)
        assert {"val/confusion", "val/reliability"} <= set(events.Tags()["images"])
        assert "val/looking" not in events.Tags()["images"]


def test_a_run_that_ends_twice_shows_its_last_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for classes in (("one", "two", "three"), MODEL.classes):
        _shown(tmp_path, replace(MODEL, classes=classes), [classes[0]])
    assert capsys.readouterr().out == ""
    assert set((tmp_path / "00007" / "val" / "metadata.tsv").read_text().split()) == {"blue", "green"}
    assert (tmp_path / "projector_config.pbtxt").read_text().count("embeddings {") == 1


def test_the_temperature_moves_the_words(tmp_path: Path) -> None:
    texts = []
    for temperature in (1.0, 5.0):
        events = _shown(tmp_path / str(temperature), replace(MODEL, temperature=temperature), ["blue"])
        (event,) = events.Tensors("val/worst_mistakes/text_summary")
        texts.append(event.tensor_proto.string_val[0].decode())
    assert texts[0] != texts[1]
