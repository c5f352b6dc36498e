from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bluebird.cli import inspect_data
from bluebird.cli.parsers.inspect_data import parse
from bluebird.errors import DataError, OutputError, UsageError
from tests.conftest import REPOSITORY, MakeFolder, write_folder
from tests.inspection.sets import read_csv

Capture = pytest.CaptureFixture[str]
NAMES = {"inspection.html", "inspection.json", "problems.csv"}


def run(arguments: list[str]) -> int:
    return inspect_data.run(parse(arguments))


def test_what_is_found_is_written_and_said(make_folder: MakeFolder, tmp_path: Path, capsys: Capture) -> None:
    folder, out = make_folder(), tmp_path / "out"
    shutil.copy(folder / "blue" / "000.png", folder / "red" / "cross.png")
    assert run([str(folder), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("25 pictures of 2 classes. ")
    assert "mend         1 picture shows the same as a picture of another class" in said
    assert str(out / "inspection.html") in said
    assert {file.name for file in out.iterdir()} == NAMES


def test_labels_are_judged_by_what_a_trained_network_sees(trained: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = write_folder(tmp_path / "birds", 12, ("blue", "red", "green"))
    swapped = folder / "red" / "wrong.png"
    shutil.move(folder / "blue" / "003.png", swapped)
    assert run([str(folder), "--model", str(trained), "--out", str(tmp_path / "out")]) == 0
    first = next(row for row in read_csv(tmp_path / "out" / "problems.csv") if row["problem"] == "label")
    assert first["path"] == "red/wrong.png"
    assert first["detail"].startswith("looks like blue ")
    labels = json.loads((tmp_path / "out" / "inspection.json").read_text())["labels"]
    assert labels["by"] == f"the features of {trained}"
    assert "Without a model" not in (tmp_path / "out" / "inspection.html").read_text("utf-8")


def test_the_pictures_are_decoded_once_for_this_and_for_a_training(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bluebird.pixels.datamodule import BirdData

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_folder()
    assert run([str(folder), "--out", str(tmp_path / "out")]) == 0
    before = sorted((tmp_path / "cache").rglob("*"))
    BirdData(folder).setup()
    assert sorted((tmp_path / "cache").rglob("*")) == before


def test_the_same_folder_gives_the_same_files(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder()
    for out in ("one", "two"):
        assert run([str(folder), "--out", str(tmp_path / out)]) == 0
    for name in NAMES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        run([str(tmp_path / "empty"), "--out", str(tmp_path / "out")])


def test_a_file_where_the_output_folder_would_be_is_refused(make_folder: MakeFolder, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="cannot be made"):
        run([str(make_folder()), "--out", str(tmp_path / "out")])
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_in_the_way_of_a_file_is_told_of(make_folder: MakeFolder, tmp_path: Path) -> None:
    (tmp_path / "out" / "problems.csv").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"problems\.csv': cannot be written"):
        run([str(make_folder()), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize("inside", ["", "look", "blue/look"])
def test_output_that_would_pass_for_a_class_is_refused(make_folder: MakeFolder, inside: str) -> None:
    folder = make_folder()
    with pytest.raises(UsageError, match="lies in the folder"):
        run([str(folder), "--out", str(folder / inside)])
    assert {file.name for file in folder.iterdir()} == {"blue", "red"}


def test_the_script_ends_with_one_line_and_two_where_nothing_is(tmp_path: Path) -> None:
    script = REPOSITORY / "scripts" / "inspect_data.py"
    command = [sys.executable, str(script), str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"bluebird: '{tmp_path / 'none'}': no such folder; check the path"]


def test_real_birds_are_looked_at(real_pictures: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("150.Sage_Thrasher", "016.Painted_Bunting", "106.Horned_Puffin"):
            shutil.copytree(real_pictures / "cub100" / split / label, tmp_path / "birds" / split / label)
    original = sorted((tmp_path / "birds" / "train" / "106.Horned_Puffin").iterdir())[0]
    shutil.copy(original, tmp_path / "birds" / "test" / "106.Horned_Puffin" / "leak.jpg")
    assert run([str(tmp_path / "birds"), "--out", str(tmp_path / "out")]) == 0
    rows = read_csv(tmp_path / "out" / "problems.csv")
    assert [row["path"] for row in rows if row["problem"] == "copy across splits"] == [
        "test/106.Horned_Puffin/leak.jpg"
    ]
