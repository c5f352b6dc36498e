from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bluebird.cli import main
from bluebird.cli.choose import choose_target
from bluebird.errors import UsageError
from tests.conftest import REPOSITORY, MakeFolder

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(make_folder: MakeFolder) -> Path:
    return make_folder(2, "unknown")


def _refused(capsys: Capture, *arguments: str | Path) -> str:
    assert main(["predict", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    assert line.startswith("bluebird: ")
    return line


def test_a_class_is_meant_by_its_name_or_by_a_part_that_no_other_has() -> None:
    classes = ("Eastern Bluebird", "Blue Jay", "jay", "wren")
    assert choose_target(classes, None) == ["Eastern Bluebird"]
    assert choose_target(classes, ["JAY"[:2].lower() + "y", "WREN"]) == ["jay", "wren"]
    assert choose_target(classes, ["wren", "blue j", "wre"]) == ["wren", "Blue Jay"]
    with pytest.raises(UsageError, match=r"--target 'blue' may be Eastern Bluebird or Blue Jay; name one"):
        choose_target(classes, ["wren", "blue"])
    with pytest.raises(UsageError, match=r"'owl' is none of the model's classes \(Eastern Bluebird, Blue Jay, jay"):
        choose_target(classes, ["owl"])


def test_a_target_that_no_class_or_several_bear_is_refused(
    trained: Path, folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    given = [trained, folder, "--out", tmp_path / "out", "--target"]
    assert "is none of the model's classes (blue, green, red)" in _refused(capsys, *given, "owl")
    assert "may be green or red" in _refused(capsys, *given, "re")
    assert "--target 'bluebird' is none of" in _refused(capsys, *given[:-1])
    assert not (tmp_path / "out").exists()


def test_no_model_no_place_no_files_are_each_refused(
    trained: Path, folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "empty").mkdir()
    more = ["--out", tmp_path / "out", "--target", "blue"]
    assert "no model there" in _refused(capsys, tmp_path / "absent", folder, *more)
    assert "no such folder, file or pattern" in _refused(capsys, trained, tmp_path / "absent", *more)
    assert "no file matches the pattern" in _refused(capsys, trained, tmp_path / "*.nothing", *more)
    assert "no files in it" in _refused(capsys, trained, tmp_path / "empty", *more)


@pytest.mark.parametrize("option", ["--out", "--collect"])
def test_the_searched_folder_is_not_written_to(
    option: str, trained: Path, folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "link").symlink_to(folder)
    for name in (folder, f"{folder}/", folder / "blue" / "..", tmp_path / "link"):
        line = _refused(capsys, trained, folder, "--target", "blue", option, name)
        assert f"{option} {str(Path(name))!r}: is the searched folder itself" in line
    assert {path.name for path in folder.iterdir()} == {"blue", "red"}


def test_an_out_that_cannot_be_written_is_named(trained: Path, folder: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        line = _refused(capsys, trained, folder, "--target", "blue", "--out", out)
        assert str(out) in line
        assert re.search(r"cannot be (written|used) \((File exists|Not a directory)\)", line)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--device", "teapot"], "--device teapot: not on this machine"),
        (["--accept", "2"], "'2' is not a number from 0 to 1"),
        (["--accept", "nan"], "'nan' is not a number from 0 to 1"),
        (["--batch-size", "0"], "'0' is not a whole number of at least 1"),
        (["--num-workers", "many"], "'many' is not a whole number of at least 1"),
        (["--timeout", "0"], "'0' is not a finite number above 0"),
        (["--every-seconds", "0.0001"], "expected at least 0.001"),
        (["--also", "xml"], "invalid choice: 'xml'"),
        (["--topk", "3"], "unrecognized arguments: --topk"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    options: list[str], reason: str, trained: Path, folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    assert reason in _refused(capsys, trained, folder, "--target", "blue", "--out", out, *options)
    assert not out.exists()


def test_a_log_is_not_written_where_it_would_be_searched(
    trained: Path, folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    given = [trained, folder, "--target", "blue", "--log-file"]
    for log in (folder / "log.txt", folder / "deep" / "log.txt"):
        assert "lies where it would be searched" in _refused(capsys, *given, log, "--out", tmp_path / "out")
    listed = tmp_path / "list.txt"
    listed.write_text("unknown/blue/000.png\n")
    assert "lies where it would be searched" in _refused(capsys, trained, listed, *given[2:], listed)
    assert listed.read_text() == "unknown/blue/000.png\n"
    assert main(["predict", *map(str, given), str(folder / "out" / "log.txt"), "--out", str(folder / "out")]) == 0
    assert "4 found = 4 scored" in capsys.readouterr().out


def test_a_library_that_is_not_there_is_said_before_the_search(trained: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "hidden" / "pyarrow").mkdir(parents=True)
    (tmp_path / "hidden" / "pyarrow" / "__init__.py").write_text("raise ImportError('not installed')")
    command = [sys.executable, "-m", "bluebird", "predict", str(trained), str(folder), "--target", "blue"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "hidden")}
    more = ["--also", "parquet", "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, *more], env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    expected = "bluebird: --also parquet needs another library: pip install 'bluebird[parquet]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)
    assert not (tmp_path / "out").exists()


def test_help_shows_how_it_is_called(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["predict", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.count("\n  bluebird predict runs/cnn/version_0 my_photos --target bluebird --out finds") == 2
    for option in ("--target", "--also", "--collect", "--log-file", "finds.sqlite", "130 interrupted"):
        assert option in text
