from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
import torch
import yaml

from bluebird.cli import main
from tests.cli.tuning.example import command, refusal, rows
from tests.conftest import REPOSITORY

Capture = pytest.CaptureFixture[str]


def test_the_best_config_trains_to_the_value_of_its_trial(searched: Path, tmp_path: Path) -> None:
    best = min(float(row["val/loss"]) for row in rows(searched))
    assert main(["train", "--config", str(searched / "best.yaml"), "--runs_dir", str(tmp_path)]) == 0
    (checkpoint,) = (tmp_path / "small" / "version_0" / "checkpoints").glob("best*.ckpt")
    kept = torch.load(checkpoint, weights_only=True)["callbacks"]
    (score,) = (state["best_model_score"] for state in kept.values() if state.get("monitor") == "val/loss")
    assert float(score) == best


def test_settings_are_what_the_space_says(searched: Path) -> None:
    found = rows(searched)
    assert len({str(row) for row in found}) == 3
    for row in found:
        assert 1e-3 <= float(row["model.optimizer.init_args.lr"]) <= 1e-1
        assert row["data.batch_size"] in ("4", "8")
        assert row["model.network.init_args.dropout"] in ("0.0", "0.1", "0.2", "0.3", "0.4", "0.5")


def test_the_test_split_has_no_say(birds: Path, searched: Path, tmp_path: Path) -> None:
    root = shutil.copytree(birds, tmp_path / "other")
    shutil.move(root / "test" / "blue", root / "test" / "green")
    shutil.move(root / "test" / "red", root / "test" / "blue")
    shutil.move(root / "test" / "green", root / "test" / "red")
    assert main(command(root, tmp_path / "out")) == 0
    assert rows(tmp_path / "out") == rows(searched)


def _when_it_trains(out: Path, act: Callable[[], object], trials: int = 1) -> threading.Thread:
    """Calls `act` as soon as so many trials are finished and the next one has had an epoch."""
    wanted = "SELECT count(*) FROM trials WHERE state = 'COMPLETE'", "SELECT count(*) FROM trial_intermediate_values"

    def watch() -> None:
        counts = [0, 0]
        while not (counts[0] >= trials and counts[1] > 2 * counts[0]):
            time.sleep(0.01)
            with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{out}/trials.sqlite?mode=ro", uri=True)) as db:
                counts = [db.execute(query).fetchone()[0] for query in wanted]
        act()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.trial
def test_a_search_that_was_killed_and_interrupted_ends_as_one_that_was_not(
    birds: Path, searched: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = command(birds, out := tmp_path / "out")
    script = [sys.executable, str(REPOSITORY / "scripts" / "tune.py"), *words[1:]]
    process = subprocess.Popen(script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watch = _when_it_trains(out, process.kill)
    assert process.wait(120) == -signal.SIGKILL
    watch.join(10)
    handler = signal.getsignal(signal.SIGINT)
    _when_it_trains(out, lambda: os.kill(os.getpid(), signal.SIGINT), trials=2)
    assert main(words) == 130
    assert "interrupted; the same command goes on" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is handler
    assert main(words) == 0
    assert rows(out) == rows(searched)
    best, undisturbed = (yaml.safe_load((folder / "best.yaml").read_text()) for folder in (out, searched))
    assert best["runs_dir"] != undisturbed.pop("runs_dir")
    assert best.items() >= undisturbed.items()


def test_a_trial_takes_one_of_several_devices(birds: Path, searched: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(command(birds, out, "--trainer.strategy", "ddp", "--trainer.devices", "2")) == 0
    assert rows(out) == rows(searched)


def test_more_trials_are_added_to_those_that_are_there(birds: Path, searched: Path, tmp_path: Path) -> None:
    out = shutil.copytree(searched, tmp_path / "out")
    assert main(command(birds, out, "--trials", "4")) == 0
    assert rows(out)[:3] == rows(searched)
    assert len(rows(out)) == 4


def test_a_training_that_diverges_is_a_failed_trial_and_the_search_goes_on(
    birds: Path, tmp_path: Path, capsys: Capture
) -> None:
    space = "model.optimizer.init_args.lr: [1e30, 0.01]"
    assert main(command(birds, tmp_path / "out", "--trials", "4", space=space)) == 0
    found = rows(tmp_path / "out")
    assert {(row["model.optimizer.init_args.lr"], row["state"]) for row in found} == {
        ("1e30", "failed"),
        ("0.01", "complete"),
    }
    assert {row["reason"].split(" in epoch ")[0] for row in found if row["state"] == "failed"} == {
        "the validation loss became nan"
    }
    assert "failed: the validation loss became nan" in capsys.readouterr().err


def test_settings_that_no_network_can_have_fail_and_the_end_says_why(
    birds: Path, tmp_path: Path, capsys: Capture
) -> None:
    space = "model.network.init_args.dropout: [7, 8]"
    assert re.search(
        "no trial was completed; the last one: dropout is [78]",
        refusal(command(birds, tmp_path / "out", "--trials", "2", space=space), capsys),
    )
    assert [row["state"] for row in rows(tmp_path / "out")] == ["failed", "failed"]


def test_what_lies_between_whole_bounds_is_drawn_where_the_setting_takes_it(birds: Path, tmp_path: Path) -> None:
    space = "model.optimizer.init_args.weight_decay: {low: 0, high: 1}\ndata.batch_size: {low: 4, high: 6}"
    assert main(command(birds, tmp_path / "out", space=space)) == 0
    found = rows(tmp_path / "out")
    assert all(0 < float(row["model.optimizer.init_args.weight_decay"]) < 1 for row in found)
    assert {row["data.batch_size"] for row in found} <= {"4", "5", "6"}


@pytest.mark.trial
def test_a_search_whose_disk_is_full_ends_in_a_line_and_goes_on_when_there_is_room(
    birds: Path, searched: Path, disk: Path, capsys: Capture
) -> None:
    def fill() -> None:
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
            while file.write(bytes(1 << 12)):
                pass

    words = command(birds, out := disk / "out")
    _when_it_trains(out, fill)
    assert re.search("': cannot be (used|written) .*(full|space|I/O)", refusal(words, capsys))
    (disk / "filler").unlink()
    assert main(words) == 0
    assert rows(out) == rows(searched)
