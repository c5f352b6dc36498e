from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path

import pytest

from bluebird.cli import main
from bluebird.cli.log_file import LOG, log_file
from bluebird.errors import OutputError
from tests.conftest import MakeFolder


def _lines(path: Path) -> list[tuple[str, str]]:
    """Level and message of each line; every line must begin with its time."""
    lines = path.read_text(encoding="utf-8").splitlines()
    parts = [re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ([A-Z]+) (.*)", line) for line in lines]
    assert all(parts), lines
    return [(part[1], part[2]) for part in parts if part]


def test_a_search_is_told_from_its_settings_to_its_counts(
    trained: Path, make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, log = make_folder(2, "unknown"), tmp_path / "logs" / "log.txt"
    (folder / os.fsdecode(b"odd \n\xff.jpg")).write_text("no picture")
    (folder / ".hidden.jpg").touch()
    said = []
    for out, more in (("quiet", []), ("told", ["--log-file", str(log)])):
        arguments = [str(trained), str(folder), "--target", "bl", "--out", str(tmp_path / out), *more]
        assert main(["predict", *arguments]) == 3
        output = capsys.readouterr()
        said.append((output.out.replace(str(tmp_path / out), "OUT"), output.err))
    assert said[0] == said[1]
    versions, options, model, *files, done = _lines(log)
    assert json.loads(versions[1].removeprefix("versions ")).keys() >= {"bluebird", "python", "torch", "pillow"}
    resolved = json.loads(options[1].removeprefix("options "))
    assert (resolved["where"], resolved["accept"], resolved["num_workers"]) == (str(folder), 0.5, 2)
    assert re.fullmatch(r'model [0-9a-f]{32}, target \["blue"\], device \w+', model[1])
    assert sorted(files) == [
        ("WARNING", r"failed 'odd \n\udcff.jpg': not a picture, or of a kind that cannot be read"),
        ("WARNING", "skipped '.hidden.jpg': hidden file"),
    ]
    assert re.fullmatch(r"done: 6 found = 4 scored \+ 1 failed \+ 1 skipped; \d finds", done[1])
    assert main(["predict", *arguments]) == 3
    assert _lines(log)[: 4 + len(files)] == [versions, options, model, *files, done]  # goes on below


def test_a_run_that_could_not_be_done_is_told_too(trained: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert main(["predict", str(trained), str(tmp_path / "absent"), "--target", "blue", "--log-file", str(log)]) == 2
    level, message = _lines(log)[-1]
    assert level == "ERROR"
    assert message.startswith(f"DataError: {str(tmp_path / 'absent')!r}: no such folder")


def test_a_log_that_cannot_be_written_is_named(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(trained), str(tmp_path), "--target", "blue", "--log-file", str(trained)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{str(trained)!r}: cannot be written (Is a directory); choose another --log-file" in line
    with pytest.raises(OutputError), log_file(Path(os.devnull) / "log.txt"):
        pass


def test_without_a_log_file_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with log_file(None):
        LOG.warning("failed")
    assert capsys.readouterr() == ("", "")


def test_a_full_disk_costs_the_log_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with log_file(Path("/dev/full")):
        LOG.warning("failed")
    assert capsys.readouterr() == ("", "")
    assert not any(isinstance(handler, logging.FileHandler) for handler in LOG.handlers)
