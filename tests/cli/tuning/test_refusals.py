from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from bluebird.search.lock import Lock
from tests.cli.tuning.example import SPACE, command, refusal, rows
from tests.conftest import REPOSITORY

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("data.batch_sise: [4]", "data.batch_sise: no such setting; did you mean data.batch_size?"),
        (
            "model.network.init_args.drpout: {low: 0, high: 0.5}",
            "drpout: no such setting; did you mean model.network.init_args.dropout?",
        ),
        ("data.batch_size: [4, many]", "data.batch_size: .*Expected a <class 'int'>"),
        ("data.batch_size: {low: 4.5, high: 9}", "data.batch_size: .*Expected a <class 'int'>"),
        ("data.root: [a, b]", "data.root changes what val/loss is measured on or by"),
        ("seed_everything: [1, 2]", "seed_everything changes what val/loss is measured on"),
        ("model.label_smoothing: [0.0, 0.1]", "model.label_smoothing changes what val/loss is"),
        ("name: [a, b]", "name cannot be searched"),
        ("data.batch_size: 4", "data.batch_size is 4; expected a list"),
        ("lr: {low: [", "the config is not YAML"),
    ],
)
def test_a_space_that_does_not_fit_the_config_is_refused_before_any_trial(
    space: str, said: str, birds: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert re.search(said, refusal(command(birds, tmp_path / "out", space=space), capsys))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "space", "said"),
    [
        (["--trainer.max_epochs", "3"], SPACE, r"made with 2, and now it is 3 \(trainer.max_epochs\)"),
        (["--metric", "val/f1"], SPACE, r"made with val/loss, and now it is val/f1 \(metric\)"),
        (["--no-prune"], SPACE, r"\(prune\)"),
        ([], SPACE.replace("[4, 8]", "[4, 8, 16]"), r"\(space data.batch_size\)"),
    ],
)
def test_another_search_in_the_same_folder_is_refused(
    more: list[str], space: str, said: str, birds: Path, searched: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = shutil.copytree(searched, tmp_path / "out")
    assert re.search(said, refusal(command(birds, out, *more, space=space), capsys))
    assert rows(out) == rows(searched)


def test_other_pictures_in_the_same_folder_are_refused(
    birds: Path, searched: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = shutil.copytree(searched, tmp_path / "out")
    root = birds.parent / "moved"
    birds.rename(root)
    try:
        shutil.copytree(root, birds)
        (birds / "train" / "blue" / "003.png").unlink()
        assert re.search(r"\(pictures\)", refusal(command(birds, out), capsys))
    finally:
        shutil.rmtree(birds)
        root.rename(birds)


def test_a_training_that_does_not_begin_anew_is_refused(birds: Path, tmp_path: Path, capsys: Capture) -> None:
    assert re.search("leave out --resume", refusal(command(birds, tmp_path / "out", "--resume", "runs/a"), capsys))


def test_a_file_in_the_way_of_the_folder_is_told_of(birds: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "out").write_text("mine")
    assert re.search(
        f"out': cannot be written into .{os.strerror(errno.EEXIST)}",
        refusal(command(birds, tmp_path / "out"), capsys),
    )


def test_a_folder_into_which_another_search_writes_is_refused(birds: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "out").mkdir()
    other = Lock(tmp_path / "out" / ".lock")
    assert f"by process {os.getpid()}" in refusal(command(birds, tmp_path / "out"), capsys)
    other.release()


def test_without_optuna_a_line_says_what_to_install(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert re.search(r"pip install 'bluebird\[tune\]'", refusal(command(birds, tmp_path / "out"), capsys))


def test_the_space_of_the_house_fits_its_config(tmp_path: Path, capsys: Capture) -> None:
    configs = REPOSITORY / "configs"
    words = ["tune", "--config", str(configs / "cnn.yaml"), "--space", str(configs / "spaces" / "cnn.yaml")]
    assert re.search("no such folder", refusal([*words, "--data.root", str(tmp_path / "none")], capsys))
