"""The plan of the house, held to by the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bluebird

PACKAGE = Path(bluebird.__file__).parent
ALLOWED = {  # room: the rooms it may import
    "errors": set(),
    "files": {"errors"},
    "scratch": set(),
    "pixels": {"errors"},
    "nets": {"errors"},
    "quality": {"errors"},
    "pages": {"errors"},
    "callbacks": {"errors"},
    "watch": {"errors", "scratch", "quality"},
    "bundle": {"errors", "files", "nets"},
    "twins": {"errors", "nets", "scratch"},
    "engines": {"errors", "files", "nets", "bundle"},
    "search": {"errors", "files", "pixels", "engines", "pages"},
    "tuning": {"errors", "files", "watch"},
    "transfer": {"errors", "files", "engines"},
    "inspection": {"errors", "files", "pixels", "pages", "watch"},
    "report": {"errors", "files", "pixels", "nets", "quality", "watch", "bundle", "engines", "pages"},
    "cli": set(),  # set below: the only place where all sides meet
    "__main__": {"cli"},
    "__init__": set(),
}
ALLOWED["cli"] = set(ALLOWED) - {"cli", "__main__", "__init__"}
ENTERED_BY = {  # room of the command line: the commands and rooms there that may import it
    "parsers": {"predict"},
    "training": {"train", "training", "tuning"},
    "tuning": {"tune", "tuning"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def _room(file: Path) -> str:
    first = file.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _imported_modules(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "bluebird":
            names |= {f"bluebird.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("bluebird.")}


def _imported_rooms(file: Path) -> set[str]:
    return {name.split(".")[1] for name in _imported_modules(file)} - {"__version__"}


def test_the_walk_sees_the_whole_package() -> None:
    assert {_room(file) for file in FILES} == set(ALLOWED)
    assert len(FILES) > 25


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_before_it(file: Path) -> None:
    foreign = _imported_rooms(file) - {_room(file)}
    assert foreign <= ALLOWED[_room(file)]


@pytest.mark.parametrize("room", ENTERED_BY)
def test_only_its_own_commands_enter_a_room_of_the_command_line(room: str) -> None:
    door = f"bluebird.cli.{room}."
    files = [file for file in FILES if any(f"{name}.".startswith(door) for name in _imported_modules(file))]
    parts = [file.relative_to(PACKAGE).with_suffix("").parts[:2] for file in files]
    assert {place for place, _ in parts} == {"cli"}
    assert {command for _, command in parts} == ENTERED_BY[room]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_file_outgrows_its_reader(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 250


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from bluebird.cli import main; main(['--help']); print(*sys.modules)"
    loaded = set(_python(code).splitlines()[-1].split())
    assert "bluebird.cli" in loaded
    assert not loaded & {"torch", "lightning", "PIL", "numpy", "yaml"}


def test_painting_loads_no_network() -> None:
    code = "import sys, bluebird.pixels.paint; print('torch' in sys.modules, 'lightning' in sys.modules)"
    assert _python(code) == "False False"


def test_commands_that_do_not_train_never_wait_for_lightning() -> None:
    commands = ["estimate", "evaluate", "explain", "export", "inspect_data", "predict"]
    imported = ", ".join(f"bluebird.cli.{command}" for command in commands)
    assert _python(f"import sys, {imported}; print('torch' in sys.modules, 'lightning' in sys.modules)") == "True False"
