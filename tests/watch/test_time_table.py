from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from bluebird.nets import MLP
from bluebird.nets.classifier import Batch, Classifier
from bluebird.twins import ByHandClassifier
from bluebird.watch.time_table import PARTS, TimeTable, TimeTaken

NAP = 0.02
EPOCHS, BATCHES = 2, 2


class SlowPictures(TensorDataset):
    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        sleep(NAP / 4)  # four to a batch
        return super().__getitem__(index)


class SlowClassifier(Classifier):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        sleep(2 * NAP)
        return super().training_step(batch, batch_idx)

    def on_after_backward(self) -> None:  # within backward, and no part of its own
        sleep(NAP)

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        sleep(NAP)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        sleep(2 * NAP)
        super().validation_step(batch, batch_idx)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        sleep(NAP if self.trainer.training else 6 * NAP)
        return batch


class SlowCallback(L.Callback):
    def on_before_backward(self, *_: Any) -> None:
        sleep(NAP)

    def on_validation_end(self, *_: Any) -> None:
        sleep(5 * NAP)


def _pictures(batches: int, kind: type[TensorDataset] = TensorDataset) -> DataLoader[Any]:
    count = 4 * batches
    return DataLoader(kind(torch.randn(count, 3, 4, 4), torch.arange(count) % 2), 4)


def _classifier(kind: type[Classifier] = Classifier) -> Classifier:
    return kind(("a", "b"), 4, network=lambda k, side: MLP(k, side, widths=[4], dropout=0.0))


def _trainer(folder: Path, table: TimeTable, *callbacks: L.Callback, **options: Any) -> L.Trainer:
    return L.Trainer(max_epochs=EPOCHS, accelerator="cpu", logger=False, enable_checkpointing=False,
                     enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
                     callbacks=list(callbacks), profiler=table, default_root_dir=folder, **options)  # fmt: skip


def _taken(table: TimeTable) -> TimeTaken:
    taken = table.taken("cpu")
    assert taken is not None
    return taken


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> tuple[TimeTaken, float]:
    """What the table says of a training that mostly sleeps, and the time its fit took by the wall clock."""
    table = TimeTable()
    trainer = _trainer(tmp_path_factory.mktemp("slow"), table, SlowCallback(), val_check_interval=1)
    model = _classifier(SlowClassifier)
    start = perf_counter()
    trainer.fit(model, _pictures(BATCHES, SlowPictures), _pictures(1))
    return _taken(table), perf_counter() - start


def test_each_part_holds_the_time_that_was_spent_in_it(slow: tuple[TimeTaken, float]) -> None:
    seconds, steps = slow[0].seconds, EPOCHS * BATCHES  # after each of which it validates
    assert list(seconds) == list(PARTS)
    assert seconds["loading"] >= steps * NAP
    assert seconds["transfer"] >= steps * NAP
    assert seconds["forward"] >= steps * 2 * NAP
    assert seconds["backward"] >= steps * NAP
    assert seconds["optimiser"] >= steps * NAP
    assert seconds["validation"] >= steps * (2 + 6) * NAP
    assert seconds["callbacks"] >= steps * (1 + 5) * NAP
    assert min(seconds.values()) > 0


def test_the_parts_add_up_to_the_wall_clock_and_nothing_counts_twice(slow: tuple[TimeTaken, float]) -> None:
    taken, wall = slow
    assert sum(taken.seconds.values()) == pytest.approx(taken.wall_seconds)
    assert taken.wall_seconds <= wall  # what slept inside of another action would come on top
    assert taken.wall_seconds == pytest.approx(wall, rel=0.1, abs=0.1)  # it begins a moment after `fit` does


def test_batches_that_validate_are_not_counted(slow: tuple[TimeTaken, float]) -> None:
    assert slow[0].batches == EPOCHS * BATCHES


def test_a_later_test_changes_nothing_and_a_later_fit_begins_anew(tmp_path: Path) -> None:
    table, model = TimeTable(), _classifier()
    trainer = _trainer(tmp_path, table)
    trainer.fit(model, _pictures(3), _pictures(1))
    first = _taken(table)
    trainer.test(model, _pictures(2), verbose=False)
    trainer.validate(model, _pictures(2), verbose=False)
    assert _taken(table) == first
    trainer.fit_loop.max_epochs = EPOCHS + 1
    trainer.fit(model, _pictures(3), _pictures(1))
    assert _taken(table).batches == 3


def test_there_is_no_table_of_a_fit_that_did_not_end(tmp_path: Path) -> None:
    class Fails(L.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            raise OSError("no room")

    table = TimeTable()
    _trainer(tmp_path, table).fit(_classifier(), _pictures(1), _pictures(1))
    assert table.taken("cpu") is not None
    with pytest.raises(OSError, match="no room"):
        _trainer(tmp_path, table, Fails()).fit(_classifier(), _pictures(1), _pictures(1))
    assert table.taken("cpu") is None


def test_a_training_by_hand_says_that_forward_is_both_ways(tmp_path: Path) -> None:
    table = TimeTable()
    _trainer(tmp_path, table).fit(_classifier(ByHandClassifier), _pictures(2), _pictures(1))
    taken = _taken(table)
    assert taken.batches == EPOCHS * 2
    assert taken.seconds["backward"] == 0
    assert taken.seconds["optimiser"] > 0
    assert "forward holds both ways" in taken.table()


def test_the_table_can_be_checked_by_hand() -> None:
    seconds = dict(zip(PARTS, (1.0, 0.5, 2.0, 3.0, 0.5, 2.0, 0.75, 0.25), strict=True))
    taken = TimeTaken(seconds, 100, "cpu")
    rows = {line.split()[0]: line.split()[1:4] for line in taken.table().splitlines()}
    assert rows["backward"] == ["3.00", "30.0%", "30.000"]
    assert rows["rest"] == ["0.25", "2.5%", "2.500"]
    assert rows["all"] == ["10.00", "100.0%", "100.000"]
    assert "note" not in rows
    assert json.loads(json.dumps(taken.summary()))["wall_seconds"] == 10.0


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_of_another_device_it_says_that_the_processor_only_gave_it_work(device: str) -> None:
    taken = TimeTaken(dict.fromkeys(PARTS, 1.0), 5, device)
    (note,) = taken.notes()
    assert note.startswith(f"a {device} device computes while the processor goes on")
    assert note in taken.table()
    assert taken.summary()["notes"] == [note]
