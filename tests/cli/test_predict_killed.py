"""Real processes that are ended in the middle of a search."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bluebird.cli import main
from tests.conftest import REPOSITORY

_PATIENCE_SECONDS = 60
_ROWS = """SELECT path, size, mtime_ns, status, reason, digest, width, height, orientation, taken, dhash, probs,
           novelty, embedding, model, gone, score FROM pictures LEFT JOIN scores USING (id) ORDER BY path"""


def _photos(folder: Path, count: int) -> Path:
    """Pictures that take a while to decode, among them copies and files that are none."""
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number % 7}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        spots = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        spots.resize((300, 200), Image.Resampling.BICUBIC).save(path)
        if number % 50 == 49:
            path.write_text(f"no picture {number}")
        if number % 50 == 48:
            (path.parent / f"copy {number}.jpg").write_bytes(path.read_bytes())
    return folder


def _search(model: Path, where: Path, out: Path) -> list[str]:
    """Arguments of a search with many small transactions."""
    common = ["--target", "blue", "--batch-size", "8", "--device", "cpu"]
    return ["predict", str(model), str(where), "--out", str(out), *common]


@pytest.fixture(scope="module")
def whole(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an unbroken search of the pictures in `photos` beside it gave."""
    folder = tmp_path_factory.mktemp("killed")
    photos = _photos(folder / "photos", 400)
    assert main(_search(trained, photos, folder / "whole")) == 3
    assert len(_table(folder / "whole")) == 408
    return folder / "whole"


def _rows_so_far(out: Path) -> int:
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{out / 'finds.sqlite'}?mode=ro", uri=True)) as ledger:
        return int(ledger.execute("SELECT count(*) FROM pictures").fetchone()[0])
    return 0


def _children(pid: int) -> list[int]:
    lines = subprocess.run(["ps", "-axo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True).stdout
    processes = (line.split(None, 2) for line in lines.splitlines())
    return [int(own) for own, parent, what in processes if int(parent) == pid and "ython" in what]


def _is_alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def _end(arguments: list[str], out: Path, rows: int, blow: signal.Signals, later: float = 0.0) -> tuple[int, str]:
    """Start a search, end it `later` seconds after it has written `rows` rows in all; its exit code and last words.

    None of its workers may be left.
    """
    command = [sys.executable, str(REPOSITORY / "scripts" / "predict.py"), *arguments[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while _rows_so_far(out) < rows and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        workers = _children(process.pid)
        time.sleep(later)
        process.send_signal(blow)
        said, _ = process.communicate(timeout=_PATIENCE_SECONDS)
    assert len(workers) == 2, said
    while any(map(_is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_is_alive, workers))
    return process.returncode, said


def _table(out: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(out / "finds.sqlite")) as ledger:
        return ledger.execute(_ROWS).fetchall()


def _expect_equal(broken: Path, whole: Path) -> None:
    assert _table(broken) == _table(whole)
    for name in ("finds.csv", "failures.csv"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()


def _kill_often(search: list[str], out: Path, total: int, kills: int) -> None:
    draw, so_far = random.Random(kills), 0
    for left in range(kills, 0, -1):
        rows = so_far + draw.randint(1, max(1, (total - so_far) // (left + 1)))
        code, said = _end(search, out, rows, signal.SIGKILL, draw.uniform(0, 0.02))
        assert (code, said) == (-signal.SIGKILL, "")
        before, so_far = so_far, _rows_so_far(out)
        assert before <= so_far < total
    assert main(search) == 3


def test_a_search_that_was_killed_thrice_ends_as_one_that_was_not(trained: Path, whole: Path, tmp_path: Path) -> None:
    _kill_often(_search(trained, whole.parent / "photos", tmp_path), tmp_path, total=408, kills=3)
    _expect_equal(tmp_path, whole)


@pytest.mark.trial
def test_a_search_that_was_killed_a_hundred_times_ends_as_one_that_was_not(trained: Path, tmp_path: Path) -> None:
    photos = _photos(tmp_path / "photos", 8000)
    _kill_often(_search(trained, photos, tmp_path / "broken"), tmp_path / "broken", total=8160, kills=100)
    assert main(_search(trained, photos, tmp_path / "whole")) == 3
    _expect_equal(tmp_path / "broken", tmp_path / "whole")


def test_control_c_says_so_in_one_line_and_the_same_command_goes_on(trained: Path, whole: Path, tmp_path: Path) -> None:
    search = _search(trained, whole.parent / "photos", tmp_path)
    code, said = _end(search, tmp_path, 20, signal.SIGINT)
    assert code == 130
    (line,) = said.splitlines()
    assert line.startswith("bluebird: interrupted; ")
    assert line.endswith("the same command goes on")
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "interrupted"
    assert 20 <= len(_table(tmp_path)) < 408
    assert main(search) == 3
    status = json.loads((tmp_path / "status.json").read_text())
    assert (status["state"], status["found"]) == ("done", 408)
    assert status["unchanged"] >= 20
    _expect_equal(tmp_path, whole)
