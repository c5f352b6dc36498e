from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import bluebird
from bluebird.cli import COMMANDS, main
from tests.conftest import REPOSITORY


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name}" in text for name in COMMANDS)


def test_no_command_is_a_question_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("usage: bluebird COMMAND")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bluebird {bluebird.__version__}\n"


def test_an_unknown_command_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serch"]) == 2
    expected = f"bluebird: no command 'serch'; expected one of {', '.join(COMMANDS)}\n"
    assert capsys.readouterr().err == expected


def test_running_out_of_memory_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bluebird.cli.seven.run", lambda _: torch.empty(2**60))
    assert main(["seven"]) == 2
    assert capsys.readouterr().err.startswith("bluebird: out of memory; end what else takes it")
    monkeypatch.setattr("bluebird.cli.seven.run", lambda _: torch.ones(2) + torch.ones(3))
    with pytest.raises(RuntimeError, match="size of tensor"):  # a fault of the program
        main(["seven"])


@pytest.mark.parametrize("arguments", [["--help"], ["seven", "--epochs", "2"]])
def test_a_reader_that_has_gone_ends_it_as_it_ends_every_program(arguments: list[str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "bluebird", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


SLOW = pytest.param("train", marks=pytest.mark.trial)  # its help is that of the objects that its settings make


@pytest.mark.parametrize("command", [SLOW, *sorted(set(COMMANDS) - {"train"})])
def test_every_door_opens_the_same_room(command: str) -> None:
    script = REPOSITORY / "scripts" / f"{command}.py"
    assert len(script.read_text().splitlines()) <= 20
    doors = [[sys.executable, str(script)], [sys.executable, "-m", "bluebird", command],
             [str(Path(sys.executable).with_name("bluebird")), command]]  # fmt: skip
    texts = [subprocess.run([*door, "--help"], capture_output=True, text=True, check=True).stdout for door in doors]
    assert re.search(rf"^  bluebird {command}", texts[0], re.MULTILINE)  # an example on a line of its own
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize("asked", ["--help", "--hepl"])
@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"train"}))
def test_help_and_slips_do_not_wait_for_torch(command: str, asked: str) -> None:
    code = f"""
import sys
from bluebird.cli import main
try:
    print(main([{command!r}, {asked!r}]))
finally:
    print("torch" in sys.modules, "lightning" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"
    assert (f"usage: bluebird {command}" in done.stdout) == (asked == "--help")
    assert (f"(see bluebird {command} --help)" in done.stderr) == (asked == "--hepl")
