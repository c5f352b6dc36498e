"""Collecting that is interrupted, or has no room, or goes to another disk: no picture is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bluebird.errors import OutputError
from bluebird.search.results import How
from tests.conftest import REPOSITORY
from tests.search.results.collecting import Place
from tests.search.results.example import find
from tests.test_files import no_room_beyond


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_link_is_copied_where_a_file_would_be_moved(place: Place) -> None:
    target = place.put("elsewhere/a.jpg", b"one")
    (place.root / "link.jpg").symlink_to(target)
    assert place.collect([find(1, "link.jpg", 0.9)], "move") == {"copied": 1}
    assert place.content() == {"0001_0.900_link.jpg": b"one"}
    assert target.read_bytes() == b"one"


def test_a_move_that_was_stopped_before_its_second_step_is_finished(place: Place) -> None:
    origin = place.put("a.jpg", b"one")
    place.collect([find(1, "a.jpg", 0.9)], "copy")
    assert place.collect([find(1, "a.jpg", 0.9)], "move") == {"already_there": 1}
    assert not origin.exists()
    assert place.content() == {"0001_0.900_a.jpg": b"one"}


def test_what_a_kill_left_behind_is_not_written_through(place: Place) -> None:
    place.put("a.jpg", b"one")
    place.put("b.jpg", b"two")
    place.collect([find(1, "a.jpg", 0.9)])
    (place.folder / ".part").hardlink_to(place.folder / "0001_0.900_a.jpg")
    place.collect([find(2, "b.jpg", 0.8)])
    assert place.content() == {"0001_0.900_a.jpg": b"one", "0002_0.800_b.jpg": b"two"}


def test_a_move_to_another_disk_keeps_bytes_and_time(place: Place, tmp_path: Path) -> None:
    shared_memory = Path("/dev/shm")
    if not shared_memory.is_dir() or shared_memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system at /dev/shm")
    place.folder = shared_memory / f"bluebird-test-{os.getpid()}"
    origin = place.put("a.jpg", os.urandom(3_000_000))
    data, time = origin.read_bytes(), origin.stat().st_mtime_ns
    try:
        assert place.collect([find(1, "a.jpg", 0.9)], "move") == {"moved": 1}
        assert place.content() == {"0001_0.900_a.jpg": data}
        assert (place.folder / "0001_0.900_a.jpg").stat().st_mtime_ns == time
        assert not origin.exists()
    finally:
        for path in place.folder.iterdir():
            path.unlink()
        place.folder.rmdir()


@pytest.mark.parametrize("how", ["copy", "move"])
def test_no_room_leaves_pictures_in_their_old_place(place: Place, how: How, tmp_path: Path) -> None:
    with zipfile.ZipFile(place.root / "a.zip", "w") as archive:
        archive.writestr("big.png", bytes(200_000))
    kept = place.put("a.jpg", b"one")
    with no_room_beyond(100_000), pytest.raises(OutputError, match=r"cannot be written \(File too large"):
        place.collect([find(1, "a.zip!big.png", 0.9), find(2, "a.jpg", 0.8)], how)
    assert place.content() == {}
    assert kept.read_bytes() == b"one"


_KILLED_AGAIN_AND_AGAIN = """
import os, random, signal, sys, time
from pathlib import Path
from bluebird.errors import UnreadablePictureError
from bluebird.search.results import Find, collect
class Gone:
    def read(self, name):
        raise UnreadablePictureError(name, "no such file")
root, base = Path(sys.argv[1]), Path(sys.argv[2])
finds = [Find(rank, f"{rank}.jpg", 0.5, 0.0, (0.5, 0.5), 1, 1) for rank in range(1, 201)]
lengths = []
for how in ("copy", "move"):
    run = lambda: collect(finds, Gone(), root, base / how, how, lambda failure: sys.exit(str(failure)))
    for kill in range(15):
        child = os.fork()
        if not child:
            run()
            os._exit(0)
        time.sleep(random.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lengths.append(len(list((base / how).glob("*"))))
    run()
print(len(set(lengths)))
"""


def test_nothing_is_lost_or_doubled_when_killed_again_and_again(place: Place, tmp_path: Path) -> None:
    for number in range(1, 201):
        place.put(f"{number}.jpg", str(number).encode())
    command = [sys.executable, "-c", _KILLED_AGAIN_AND_AGAIN, str(place.root), str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 3, "hardly ever killed on the way"
    expected = {f"{n:04d}_0.500_{n}.jpg": str(n).encode() for n in range(1, 201)}
    for how in ("copy", "move"):
        place.folder = tmp_path / how
        assert place.content() == expected
    assert list(place.root.iterdir()) == []
