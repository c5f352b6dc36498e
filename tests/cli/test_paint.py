from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bluebird.cli import main


def test_a_set_is_painted_where_it_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = ["--out", str(tmp_path / "set"), "--count", "20", "--seed", "3", "--size", "16"]
    assert main(["paint", *request]) == 0
    assert len(list((tmp_path / "set").rglob("*.png"))) == 20
    assert capsys.readouterr().out == f"20 pictures in {tmp_path / 'set'}\n"


def test_a_sheet_is_one_picture_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["paint", "--sheet", "birds.png", "--size", "32"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["birds.png"]
    with Image.open("birds.png") as sheet:
        assert sheet.size == (150 + 8 * 36, 10 * 36 + 4)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--count", "0"], "whole number of at least 1"),
        (["--difficulty", "2"], "difficulty is 2.0"),
        (["--sheet", "birds.unknown"], "sheet cannot be written"),
    ],
)
def test_what_cannot_be_painted_is_refused_in_one_line(
    arguments: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["paint", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
