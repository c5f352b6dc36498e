from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bluebird.errors import OutputError, UsageError
from bluebird.pixels.cache import Pictures, load_pictures
from bluebird.pixels.room import BOUND, FEATURES, bound_bytes, make_room
from tests.conftest import REPOSITORY

SIDE, COUNT = 64, 20
ENTRY = COUNT * SIDE * SIDE * 3  # bytes, a whole number of the disk's blocks

OTHER = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from bluebird.pixels.cache import load_pictures
print("ready", flush=True)
sys.stdin.readline()
pictures = load_pictures(sorted(Path(sys.argv[2]).iterdir()), int(sys.argv[4]), Path(sys.argv[3]))
print(int(pictures.pixels.long().sum()), flush=True)
sys.stdin.read()
print(int(pictures.pixels.long().sum()), flush=True)
"""


def _set(folder: Path, seed: int) -> list[Path]:
    rng = np.random.default_rng(seed)
    folder.mkdir()
    files = [folder / f"{number:02}.png" for number in range(COUNT)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(file)
    return files


@pytest.fixture
def sets(tmp_path: Path) -> list[list[Path]]:
    return [_set(tmp_path / f"set{number}", number) for number in range(3)]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def _load(files: list[Path], cache: Path) -> Path:
    """The entry of these pictures, which nobody holds."""
    load_pictures(files, SIDE, cache)
    gc.collect()
    return max(cache.glob("*/index.json"), key=lambda index: index.stat().st_mtime_ns).parent


def _hold(bound: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BOUND, str(bound * ENTRY / 1e9))


def test_what_was_used_longest_ago_makes_room(
    sets: list[list[Path]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hold(2.5, monkeypatch)
    first, second = _load(sets[0], cache), _load(sets[1], cache)
    os.utime(first / "index.json", ns=(1, 1))
    os.utime(second / "index.json", ns=(2, 2))
    assert _load(sets[0], cache) == first  # which is therefore used last
    third = _load(sets[2], cache)
    assert set(cache.iterdir()) == {first, third}


def test_what_is_newest_stays_however_large(
    sets: list[list[Path]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hold(0, monkeypatch)
    _load(sets[0], cache)
    newest = _load(sets[1], cache)
    assert list(cache.iterdir()) == [newest]


def test_what_is_in_use_here_stays_and_goes_when_it_is_no_longer(
    sets: list[list[Path]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hold(0, monkeypatch)
    used: Pictures | None = load_pictures(sets[0], SIDE, cache)
    (entry,) = cache.iterdir()
    _load(sets[1], cache)
    assert entry.is_dir()
    pixels = used.pixels  # type: ignore[union-attr]
    used = None
    gc.collect()
    _load(sets[2], cache)
    assert entry.is_dir()
    assert (pixels[0].numpy() == np.asarray(Image.open(sets[0][0]))).all()
    del pixels
    gc.collect()
    shutil.rmtree(sets[1][0].parent)
    _load(_set(sets[1][0].parent, 9), cache)
    assert not entry.exists()


def _other(files: list[Path], cache: Path, side: int = SIDE) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OTHER, str(REPOSITORY), str(files[0].parent), str(cache), str(side)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


def test_what_another_process_uses_stays_until_it_ends(
    sets: list[list[Path]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hold(0, monkeypatch)
    process = _other(sets[0], cache)
    _go(process)
    assert process.stdout
    before = process.stdout.readline()
    (entry,) = cache.iterdir()
    _load(sets[1], cache)
    assert entry.is_dir()
    after, _ = process.communicate("")
    assert after == before == f"{sum(int(np.asarray(Image.open(file)).sum()) for file in sets[0])}\n"
    _load(sets[2], cache)
    assert not entry.exists()


def test_two_processes_that_build_the_same_entry_at_once_both_get_it(sets: list[list[Path]], cache: Path) -> None:
    processes = [_other(sets[0], cache, 512) for _ in range(2)]
    for process in processes:
        _go(process)
    said = [process.communicate("")[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len({word for words in said for word in words}) == 1
    assert len(list(cache.iterdir())) == 1


def test_what_a_killed_run_was_building_goes_but_not_what_somebody_builds_now(
    sets: list[list[Path]], cache: Path
) -> None:
    import fcntl

    for name in ("partial-dead", "partial-alive"):
        (cache / name).mkdir(parents=True)
        (cache / name / "pixels.u8").write_bytes(b"x")
        os.utime(cache / name, (0, 0))
    with (cache / "partial-alive" / "pixels.u8").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _load(sets[0], cache)
        assert (cache / "partial-alive").is_dir()
        assert not (cache / "partial-dead").exists()


def test_nothing_else_in_the_folder_is_touched(
    sets: list[list[Path]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hold(0, monkeypatch)
    foreign = cache / "my photos"
    foreign.mkdir(parents=True)
    (foreign / "index.json").write_text("mine")
    (cache / "notes.txt").write_text("mine")
    _load(sets[0], cache)
    _load(sets[1], cache)
    assert (foreign / "index.json").read_text() == "mine"
    assert (cache / "notes.txt").read_text() == "mine"


def test_by_default_it_is_20_gb_or_a_tenth_of_the_disk(disk: Path, tmp_path: Path) -> None:
    assert bound_bytes(disk) == pytest.approx(2 * 2**20 / 10)
    total = os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
    assert bound_bytes(tmp_path) == min(20e9, total / 10)


@pytest.mark.parametrize("value", ["much", "-1", "nan"])
def test_a_bound_that_is_no_number_is_refused(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BOUND, value)
    with pytest.raises(UsageError, match=f"{BOUND} is '{value}'"):
        bound_bytes(tmp_path)


def test_a_disk_that_fills_up_while_decoding_is_said_and_is_empty_again(sets: list[list[Path]], disk: Path) -> None:
    with pytest.raises(OutputError, match=r"No space left on device.*needs 4 MB; name another place"):
        load_pictures(sets[0], 256, disk)  # 3.9 MB on a disk of 2
    assert list(disk.iterdir()) == []
    assert torch.equal(load_pictures(sets[0], SIDE, disk).pixels, load_pictures(sets[0], SIDE, disk).pixels)


def test_features_count_and_go_as_pictures_do(
    sets: list[list[Path]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = _load(sets[0], cache)
    (cache / FEATURES).mkdir()
    files = {
        name: cache / FEATURES / name for name in ("old.safetensors", "new.safetensors", "dead.part", "alive.part")
    }
    for name, file in files.items():
        file.write_bytes(b"x" * ENTRY)
        if name in ("old.safetensors", "dead.part"):
            os.utime(file, (1, 1))
    _hold(2.5, monkeypatch)
    make_room(cache)
    assert set(cache.rglob("*.*")) - {entry / "index.json", entry / "pixels.u8"} == {
        files["new.safetensors"],
        files["alive.part"],
    }
    _hold(1.5, monkeypatch)
    os.utime(entry / "index.json", (1, 1))
    make_room(cache)
    assert not entry.exists()
    assert files["new.safetensors"].exists()
