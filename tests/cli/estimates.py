"""Estimates as a user asks for them, and samples labelled as a person would."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from bluebird.cli import main

Capture = pytest.CaptureFixture[str]
Say = Callable[[str, str], str]


def search(model: Path, where: Path, out: Path, *more: str) -> int:
    return main(["predict", str(model), str(where), "--target", "blue", "--out", str(out), *more])


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def by_folder(part: str, path: str) -> str:
    return "yes" if path.startswith("blue/") else "no"


def fill(out: Path, say: Say = by_folder) -> Path:
    """Label the sample as a person would."""
    table = out / "sample.csv"
    filled = [row | {"shows": say(row["part"], row["path"])} for row in rows(table)]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(filled[0]))
        writer.writeheader()
        writer.writerows(filled)
    return table


def estimate(out: Path, *more: str) -> int:
    return main(["estimate", str(out), *more])


def labelled(out: Path, *more: str) -> int:
    return estimate(out, "--labels", str(out / "sample.csv"), *more)


def refusal(capsys: Capture, code: int) -> str:
    said, line = capsys.readouterr()
    assert (code, said) == (2, "")
    assert line.startswith("bluebird: ")
    assert line.count("\n") == 1
    return line
