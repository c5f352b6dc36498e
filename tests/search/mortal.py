"""Searches that are meant to be killed.

`python -m tests.search.mortal` reads a number of files and a folder from each line of its standard input and forks a
search through so many files (0: without end). It answers `started PID`, `new` before each batch that is recorded,
and `ended STATUS`.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from bluebird.search.found import Found
from bluebird.search.row import Row
from tests.search.ledgers import failed, found, open_ledger, scored, skipped

BATCH = 48


def file_of(number: int) -> Found:
    return found(f"{number:07d}.jpg", size=number, skipped="hidden file" if number % 11 == 0 else "")


def row_of(file: Found) -> Row:
    rng = random.Random(file.name)
    if file.skipped:
        return skipped(file)
    if file.size % 7 == 0:
        return failed(file)
    return scored(file, [rng.random() for _ in range(3)], digest=rng.randbytes(16), dhash=rng.getrandbits(63))


def search(folder: Path, count: int) -> None:
    """Go through the files in order, a batch at a time."""
    with open_ledger(folder) as ledger:
        ledger.aim(["bluebird"])
        for start in range(0, count or sys.maxsize, BATCH):
            files = [file_of(number) for number in range(start, start + BATCH)]
            unchanged = ledger.unchanged(files)
            if rows := [row_of(file) for file in files if file.name not in unchanged]:
                _say("new")
                ledger.record(rows)
        ledger.finish()


def _serve() -> None:
    for line in sys.stdin:
        count, folder = line.rstrip("\n").split(" ", 1)
        child = os.fork()
        if not child:
            search(Path(folder), int(count))
            os._exit(0)
        _say(f"started {child}")
        _say(f"ended {os.waitpid(child, 0)[1]}")


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # whole, though two processes share it


if __name__ == "__main__":
    _serve()
