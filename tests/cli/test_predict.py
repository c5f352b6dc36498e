from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bluebird.cli import main
from tests.conftest import MakeFolder


def _rows(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["predict", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_what_it_learnt_it_finds_again(trained: Path, make_folder: MakeFolder, tmp_path: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    folder = make_folder(5, "unknown", classes=("red", "blue"))
    assert main(["predict", str(trained), str(folder), "--out", str(tmp_path / "out")]) == 0
    rows = _rows(tmp_path / "out")
    assert [row["path"] for row in rows] == [f"{label}/{n:03d}.png" for label in ("blue", "red") for n in range(5)]
    assert sum(row["class_1"] == row["path"].split("/")[0] for row in rows) >= 9
    assert all(abs(sum(float(row[f"prob_{k}"]) for k in (1, 2, 3)) - 1) < 1e-5 for row in rows)
    assert capsys.readouterr().out.startswith("10 files, 0 of them could not be read")


def test_every_file_gets_a_row_whatever_it_is(trained: Path, make_folder: MakeFolder, tmp_path: Path,
                                              capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    folder = make_folder(3, "unknown")
    odd = folder / "deep" / os.fsdecode(b"odd \n\xff")
    odd.mkdir(parents=True)
    shutil.copy(folder / "blue" / "000.png", odd / os.fsdecode(b"good \xfe.png"))
    (odd / "notes.txt").write_text("no picture")
    (odd / "empty.jpg").touch()
    (odd / "dangling.jpg").symlink_to("nowhere")
    (odd / "half.png").write_bytes((folder / "red" / "000.png").read_bytes()[:60])
    os.mkfifo(odd / "pipe.jpg")
    assert main(["predict", str(trained), str(folder), "--out", str(tmp_path / "out"), "--batch-size", "2"]) == 3
    rows = _rows(tmp_path / "out")
    assert len(rows) == 12
    assert len([row for row in rows if row["error"]]) == 5
    assert all(bool(row["error"]) != bool(row["class_1"]) for row in rows)
    out, err = capsys.readouterr()
    assert out.startswith("12 files, 5 of them could not be read")
    assert "Traceback" not in err


def test_its_own_table_is_not_among_the_files(trained: Path, make_folder: MakeFolder) -> None:
    folder = make_folder(2, "unknown")
    for _ in range(2):
        assert main(["predict", str(trained), str(folder), "--out", str(folder)]) == 0
        assert len(_rows(folder)) == 4


def test_memory_does_not_grow_with_the_folder(trained: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    small = make_folder(10, "small")
    large = tmp_path / "large"
    large.mkdir()
    for number in range(6000):
        os.link(small / "blue" / f"{number % 10:03d}.png", large / f"{number}.png")

    def peak_kib(folder: Path) -> int:
        code = (
            "import resource, sys; from bluebird.cli import main; main(sys.argv[1:]);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        command = [sys.executable, "-c", code, "predict", str(trained), str(folder), "--out", str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout.splitlines()[-1])

    assert peak_kib(large) < peak_kib(small) + 30_000


def test_no_model_no_folder_no_files_are_each_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    out = ["--out", str(tmp_path / "out")]
    assert "no model there" in _fails([str(tmp_path / "absent"), str(tmp_path), *out], capsys)
    assert "no such folder" in _fails([str(trained), str(tmp_path / "absent"), *out], capsys)
    assert "no files in it" in _fails([str(trained), str(tmp_path / "empty"), *out], capsys)


def test_settings_that_cannot_be_are_refused(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [str(trained), str(tmp_path)]
    assert "whole number of at least 1" in _fails([*given, "--top-k", "0"], capsys)
    assert "unrecognized arguments: --topk" in _fails([*given, "--topk", "3"], capsys)
    assert "--device teapot: not on this machine" in _fails([*given, "--device", "teapot"], capsys)


def test_an_out_that_cannot_be_written_is_named(trained: Path, make_folder: MakeFolder, tmp_path: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    (tmp_path / "file").touch()
    line = _fails([str(trained), str(make_folder(2)), "--out", str(tmp_path / "file")], capsys)
    assert "cannot be written" in line


def test_real_strange_files_each_get_a_row(trained: Path, real_pictures: Path, tmp_path: Path) -> None:
    """Hostile on purpose, so in a process that may die."""
    command = [sys.executable, "-m", "bluebird", "predict", str(trained), str(real_pictures / "odd"), "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 3, done.stderr[-500:]
    assert done.stderr == ""  # not even the remarks of libpng and libtiff
    files = sum(len(names) for _, _, names in os.walk(real_pictures / "odd"))
    assert len(_rows(tmp_path)) == files > 1000
