"""Searches as a user starts them, pictures for them, and what they leave, read past Bluebird's own code."""

from __future__ import annotations

import csv
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.conftest import REPOSITORY

PATIENCE_SECONDS = 60
_ROWS = """SELECT path, size, mtime_ns, status, reason, digest, width, height, orientation, taken, dhash, probs,
           novelty, embedding, model, gone, score FROM pictures LEFT JOIN scores USING (id) ORDER BY path"""


def photos(folder: Path, count: int) -> Path:
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


def arguments(model: Path, where: Path, out: Path, *more: str) -> list[str]:
    """Of a search with many small transactions, unless `more` says otherwise."""
    common = ["--target", "blue", "--batch-size", "8", "--num-workers", "2", "--device", "cpu", *more]
    return ["predict", str(model), str(where), "--out", str(out), *common]


def run(search: list[str]) -> subprocess.CompletedProcess[str]:
    """A search in a process that may die, which leaves this one alive."""
    command = [sys.executable, "-m", "bluebird", *search]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)


def refusal(search: list[str]) -> str:
    """The one line by which a search says that it cannot be done."""
    done = run(search)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, ""), line
    assert line.startswith("bluebird: ")
    return line


def end(search: list[str], out: Path, rows: int, blow: signal.Signals, later: float = 0.0) -> tuple[int, str]:
    """Start a search, end it `later` seconds after it has written `rows` rows in all; its exit code and last words.

    None of its workers may be left.
    """
    with _started(search) as process:
        _await_rows(process, out, rows)
        process.send_signal(signal.SIGSTOP)  # or it might end while its workers are counted
        workers = children(process.pid)
        if later:
            process.send_signal(signal.SIGCONT)
            time.sleep(later)
        process.send_signal(blow)
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert len(workers) == 2, said
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(map(_is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_is_alive, workers))
    return process.returncode, said


@contextmanager
def held(search: list[str], out: Path, rows: int) -> Iterator[subprocess.Popen[str]]:
    """A search that stands still in its middle, once it has written `rows` rows, until it is let go."""
    with _started(search) as process:
        _await_rows(process, out, rows)
        process.send_signal(signal.SIGSTOP)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)


def let_go(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and last words of a search that was held."""
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, said


def _started(search: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, str(REPOSITORY / "scripts" / "predict.py"), *search[1:]]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _await_rows(process: subprocess.Popen[str], out: Path, rows: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while rows_so_far(out) < rows and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)


def children(pid: int) -> list[int]:
    """The Python processes that a process started."""
    lines = subprocess.run(["ps", "-axo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True).stdout
    processes = (line.split(None, 2) for line in lines.splitlines())
    return [int(own) for own, parent, what in processes if int(parent) == pid and "ython" in what]


def _is_alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def rows_so_far(out: Path) -> int:
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{out / 'finds.sqlite'}?mode=ro", uri=True)) as ledger:
        return int(ledger.execute("SELECT count(*) FROM pictures").fetchone()[0])
    return 0


def rows(out: Path, table: str = "finds.csv") -> list[dict[str, str]]:
    with (out / table).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(out: Path) -> list[tuple[Any, ...]]:
    """All that the ledger holds, but for the numbers of rows and runs."""
    with closing(sqlite3.connect(out / "finds.sqlite")) as ledger:
        return ledger.execute(_ROWS).fetchall()


def expect_equal(broken: Path, whole: Path) -> None:
    assert table(broken) == table(whole)
    for name in ("finds.csv", "failures.csv"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
