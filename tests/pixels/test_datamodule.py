from __future__ import annotations

import shutil
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch

from bluebird.cli import main
from bluebird.errors import DataError, UsageError
from bluebird.pixels.datamodule import BirdData
from bluebird.pixels.transforms import Augment
from tests.conftest import MakeFolder, small_run


def _ready(root: Path, **options: object) -> BirdData:
    data = BirdData(root, image_size=16, **options)  # type: ignore[arg-type]
    data.setup()
    return data


def test_batches_keep_the_contract(make_folder: MakeFolder) -> None:
    data = _ready(make_folder(20), batch_size=8)
    images, targets = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
    assert (images.dtype, images.shape) == (torch.float32, (6, 3, 16, 16))
    assert targets.dtype == torch.int64
    assert sorted(targets.tolist()) == [0, 0, 0, 1, 1, 1]


def test_mean_and_std_are_those_of_the_training_pictures(make_folder: MakeFolder) -> None:
    root = make_folder(20)
    data = _ready(root)
    pixels = data.datasets["train"].pixels[data.datasets["train"].rows].numpy().reshape(-1, 3) / 255
    np.testing.assert_allclose(data.mean, pixels.mean(0), rtol=1e-9)
    np.testing.assert_allclose(data.std, pixels.std(0), rtol=1e-9)


def test_a_given_mean_and_std_win(make_folder: MakeFolder) -> None:
    data = _ready(make_folder(), mean=[0.1, 0.2, 0.3], std=[1.0, 2.0, 3.0])
    assert (data.mean, data.std) == ([0.1, 0.2, 0.3], [1.0, 2.0, 3.0])


def test_a_last_batch_of_one_never_reaches_training(make_folder: MakeFolder) -> None:
    data = _ready(make_folder(20), batch_size=9)  # 28 train: batch norm could not take the odd one
    assert [len(targets) for _, targets in data.train_dataloader()] == [9, 9, 9]


class _Recorder(L.LightningModule):
    """Keeps the targets that reach a training and a validation."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.learnt: list[torch.Tensor] = []
        self.judged: list[torch.Tensor] = []

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        self.learnt.append(batch[1])
        return self.weight * batch[0].mean()

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        self.judged.append(batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


def _recorded(data: BirdData, epochs: int = 1) -> _Recorder:
    recorder = _Recorder()
    trainer = L.Trainer(accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False,
                        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0)  # fmt: skip
    trainer.fit(recorder, datamodule=data)
    return recorder


@pytest.mark.parametrize("augment", [Augment(mixup=0.4), Augment(cutmix=1.0), Augment(mixup=0.4, cutmix=1.0)])
def test_mixed_targets_are_shares_in_training_and_numbers_in_validation(
    augment: Augment, make_folder: MakeFolder
) -> None:
    recorder = _recorded(_ready(make_folder(20), batch_size=8, augment=augment))
    learnt = torch.cat(recorder.learnt)
    assert (learnt.dtype, learnt.shape) == (torch.float32, (24, 2))
    torch.testing.assert_close(learnt.sum(1), torch.ones(24))
    assert ((learnt > 0.01) & (learnt < 0.99)).any()
    assert torch.cat(recorder.judged).dtype == torch.int64


def test_balanced_sampling_shows_rare_classes_as_often_in_every_epoch(make_folder: MakeFolder) -> None:
    root = make_folder(40)
    for number in range(10, 40):
        (root / "red" / f"{number:03d}.png").unlink()
    data = _ready(root, batch_size=34, balanced_sampling=True)
    assert data.class_counts == [28, 6]
    learnt = _recorded(data, epochs=2).learnt
    assert [targets.bincount().tolist() for targets in learnt] == [[17, 17], [17, 17]]


def test_mixing_is_refused_where_training_is_by_hand(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = small_run(make_folder(), tmp_path / "runs")
    by_hand = ["--model.by_hand", "true", "--data.augment.mixup", "0.2"]
    assert main(["train", *run, *by_hand]) == 2
    message = capsys.readouterr().err.strip()
    assert "data.augment.mixup or cutmix is set and model.by_hand is on" in message
    assert "\n" not in message


def test_an_unreadable_file_is_left_out_and_told(make_folder: MakeFolder) -> None:
    root = make_folder(30)
    broken = root / "blue" / "005.png"
    broken.write_bytes(broken.read_bytes()[:50])
    data = _ready(root)
    assert [failure.path for failure in data.failures] == [broken]
    assert sum(map(len, data.datasets.values())) == 59


def test_too_many_unreadable_files_refuse_the_run(make_folder: MakeFolder) -> None:
    root = make_folder(10)
    for number in range(2):
        (root / "red" / f"{number:03d}.png").write_text("no picture")
    with pytest.raises(DataError, match="2 of 20 files cannot be read, more than the allowed share"):
        _ready(root)
    assert len(_ready(root, max_unreadable=0.2).failures) == 2


def test_a_folder_of_only_broken_files_is_refused(make_folder: MakeFolder) -> None:
    root = make_folder(3)
    for file in root.rglob("*.png"):
        file.write_text("no picture")
    with pytest.raises(DataError, match="none of the 6 files can be read"):
        _ready(root)


def test_copies_of_a_picture_stay_in_one_split(make_folder: MakeFolder) -> None:
    root = make_folder(20)
    for number in range(0, 20, 2):
        shutil.copy(root / "blue" / f"{number:03d}.png", root / "blue" / f"copy{number}.png")
    data = _ready(root)
    assert data.leaks == 0
    names = [sample.path.name for sample in data.listing.samples if sample.label == "blue"]
    splits = dict(zip(names, data.splits[: len(names)], strict=True))  # blue comes first
    assert all(splits[f"copy{number}.png"] == splits[f"{number:03d}.png"] for number in range(0, 20, 2))


def test_the_fingerprint_names_the_content_not_the_place(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder()
    first = _ready(root).fingerprint
    shutil.copytree(root, tmp_path / "moved")
    assert _ready(tmp_path / "moved").fingerprint == first
    assert _ready(root, seed=1).fingerprint != first


def test_without_a_root_birds_are_painted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bluebird.pixels import datamodule
    from bluebird.pixels.paint import CLASS_NAMES, paint_folder

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datamodule, "paint_folder", lambda out: paint_folder(out, count=60, workers=1))
    data = BirdData(image_size=16)
    data.setup()
    assert data.classes == tuple(sorted(CLASS_NAMES))
    assert len(data.listing.samples) == 60


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"image_size": 0}, "data.image_size is 0"),
        ({"batch_size": -1}, "data.batch_size is -1"),
        ({"val_share": 0.0}, "data.val_share is 0.0"),
        ({"val_share": 0.5, "test_share": 0.5}, "nothing is left to train"),
        ({"mean": [0.5, 0.5]}, r"data.mean has 2 number\(s\); expected three"),
        ({"std": [0.5, 0.0, 0.5]}, "expected three numbers above 0"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(options: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        BirdData(**options)  # type: ignore[arg-type]


def test_a_class_of_which_no_picture_can_be_read_refuses_the_run(make_folder: MakeFolder) -> None:
    root = make_folder(40)
    (root / "rare").mkdir()
    for number in range(2):
        (root / "rare" / f"{number:03d}.png").write_text("no picture")
    with pytest.raises(DataError, match=r"no picture of 'rare' is left to learn from; add some, or remove the class; a "
                                        r"file of it that cannot be read: '.*rare.*00\d\.png'"):  # fmt: skip
        _ready(root)


def test_pictures_that_fill_no_batch_of_every_process_are_learnt_from(make_folder: MakeFolder) -> None:
    data = _ready(make_folder(40), batch_size=32)  # 56 to learn from, 28 for each of two
    data.trainer = L.Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False)
    data.trainer.strategy.connect(L.LightningModule())
    assert not data.train_dataloader().drop_last
    data.trainer = None
    assert data.train_dataloader().drop_last
