from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluebird.errors import UsageError
from bluebird.search.lock import Lock
from tests.conftest import REPOSITORY

_HOLD = """
import sys
from pathlib import Path
from bluebird.search.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "finds.lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock."""
    command = [sys.executable, "-c", _HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_told_who_holds_it_until_that_one_is_killed(
    holder: subprocess.Popen[str], path: Path
) -> None:
    for _ in range(2):  # being refused changes nothing
        with pytest.raises(UsageError) as refusal:
            Lock(path)
        assert f"by process {holder.pid} on {platform.node()} now" in str(refusal.value)
        assert str(path.parent) in str(refusal.value)
        assert "\n" not in str(refusal.value)
    holder.kill()
    holder.wait()
    lock = Lock(path)
    assert path.read_text() == f"process {os.getpid()} on {platform.node()}"
    lock.release()


def test_after_its_release_it_names_nobody_and_can_be_had_again(path: Path) -> None:
    for _ in range(2):
        Lock(path).release()
        assert path.read_text() == ""


def test_a_process_cannot_have_it_twice(path: Path) -> None:
    lock = Lock(path)
    with pytest.raises(UsageError, match=f"process {os.getpid()} on"):
        Lock(path)
    lock.release()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_lock_that_cannot_be_written_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left|Invalid argument"):
        Lock(tmp_path / "full")
