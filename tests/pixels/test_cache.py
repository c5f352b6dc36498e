from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bluebird.errors import OutputError
from bluebird.pixels import cache
from bluebird.pixels.cache import load_pictures


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    files = [tmp_path / f"{n}.png" for n in range(70)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(file)
    return files


def test_each_row_is_its_file(paths: list[Path], tmp_path: Path) -> None:
    pictures = load_pictures(paths, 8, tmp_path / "cache")
    assert pictures.pixels.shape == (70, 8, 8, 3)
    for row, path in zip(pictures.pixels.numpy(), paths, strict=True):
        np.testing.assert_array_equal(row, np.asarray(Image.open(path).copy()))
    assert pictures.digests[3] == hashlib.blake2b(paths[3].read_bytes(), digest_size=16).hexdigest()


def test_a_file_is_decoded_once_for_many_runs(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_pictures(paths, 8, tmp_path / "cache")
    monkeypatch.setattr(cache, "decode_bytes", None)  # any further decoding would fail
    again = load_pictures(paths, 8, tmp_path / "cache")
    assert (again.pixels == first.pixels).all()
    assert again.digests == first.digests


def test_a_changed_file_is_decoded_anew(paths: list[Path], tmp_path: Path) -> None:
    load_pictures(paths, 8, tmp_path / "cache")
    Image.new("RGB", (8, 8), "red").save(paths[5])
    os.utime(paths[5], ns=(1, 1))
    pixels = load_pictures(paths, 8, tmp_path / "cache").pixels
    assert (pixels[5].numpy() == (255, 0, 0)).all()


def test_an_unreadable_file_has_a_reason_and_no_digest(paths: list[Path], tmp_path: Path) -> None:
    paths[2].write_text("no picture")
    pictures = load_pictures([*paths, tmp_path / "absent.png"], 8, tmp_path / "cache")
    assert pictures.failures == {2: "not a picture, or of a kind that cannot be read", 70: "no such file"}
    assert pictures.digests[2] == ""


def test_an_interrupted_build_leaves_nothing_that_looks_whole(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "decode_bytes", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_pictures(paths, 8, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert not load_pictures(paths, 8, tmp_path / "cache").failures


def test_a_cache_that_cannot_be_written_says_how_much_it_needs(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(
        OutputError,
        match=r"it needs .* MB; name another place in \$XDG_CACHE_HOME, or in training with --data.cache_dir",
    ):
        load_pictures(paths, 512, tmp_path / "cache")


def test_a_disk_without_room_is_said_and_nothing_half_written_stays(paths: list[Path], tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the system then refuses larger files
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            load_pictures(paths, 8, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="what the machine's memory is, Linux tells there")
def test_pictures_for_which_there_is_no_memory_are_mapped(tmp_path: Path) -> None:
    lines = Path("/proc/meminfo").read_text().splitlines()
    memory = {name: int(words.split()[0]) * 1024 for name, words in (line.split(":") for line in lines)}
    count = 1 + (memory["MemTotal"] + memory["SwapTotal"]) // (3 * 1024**2)
    with (tmp_path / "pixels.u8").open("wb") as file:
        file.seek((count - 1) * 3 * 1024**2)
        file.write(b"x" * 3 * 1024**2)  # the rest is a hole, which takes no room on the disk
    (tmp_path / "index.json").write_text('{"digests": [], "failures": {}}')
    assert cache._map(tmp_path, count, 1024).pixels[-1, 5, 5].tolist() == [ord("x")] * 3
