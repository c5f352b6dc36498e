from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bluebird.errors import BluebirdError, UnreadablePictureError
from bluebird.pixels.decode import decode
from bluebird.pixels.quick import shrink
from bluebird.search.pool import Decoded, DecodePool
from bluebird.search.sources import open_source
from tests.conftest import REPOSITORY
from tests.search.hostile import Files, Hostile, Unborn, colour_of

SIZE = 16
FATES = {
    "gone": "no such file",
    "text": "not a picture, or of a kind that cannot be read",
    "odd": "LookupError: no such number",
    "crash": "the decoder crashed (SIGSEGV)",
    "leave": "the decoder ended its process (exit code 5)",
    "sleep": "gave up after 2 s",
    "devour": "needs more than 0.5 GiB",
}
if sys.platform != "linux":  # no limit of memory there
    del FATES["devour"]


def names(*kinds: str) -> list[str]:
    """A good one before, between and after the others."""
    mixed = [kind for kind in kinds for kind in ("good", kind)] + ["good"] * 40
    return [f"{kind}/{number}" for number, kind in enumerate(mixed)]


def check(decoded: Decoded) -> None:
    kind, number = decoded.name.split("/")
    if kind != "good":
        assert (decoded.error, decoded.pixels, decoded.facts) == (FATES[kind], None, None)
        return
    assert decoded.error == ""
    assert decoded.facts is not None
    assert (decoded.facts.width, decoded.facts.height) == (SIZE + int(number) % 3, SIZE)
    assert decoded.pixels is not None
    expected = torch.tensor(colour_of(int(number)), dtype=torch.uint8)[:, None, None].expand(3, SIZE, SIZE)
    assert torch.equal(decoded.pixels, expected)


def test_each_name_gets_one_result_in_its_place_whatever_befalls_its_decoder() -> None:
    asked = names(*FATES)
    with DecodePool(Hostile(), SIZE, timeout_seconds=2, max_bytes=2**29) as pool:
        got = list(pool.decode(asked))
    assert [decoded.name for decoded in got] == asked
    for decoded in got:
        check(decoded)


def test_a_whole_chunk_of_killers_costs_nothing_but_itself() -> None:
    asked = [f"leave/{n}" for n in range(5)] + ["good/1"] + ["crash/2"] * 3
    with DecodePool(Hostile(), SIZE, num_workers=1) as pool:
        got = list(pool.decode(asked))
    assert [decoded.name for decoded in got] == asked
    for decoded in got:
        check(decoded)


def test_a_picture_whose_decoder_died_by_accident_is_read_on_the_second_try(tmp_path: Path) -> None:
    with DecodePool(Hostile(tmp_path), SIZE) as pool:
        got = list(pool.decode(["good/0", "stumble/1", "good/2", "stumble/3"]))
    assert [decoded.error for decoded in got] == [""] * 4
    assert sorted(mark.name for mark in tmp_path.iterdir()) == ["1", "3"]  # they did die


def test_workers_killed_from_outside_cost_no_picture() -> None:
    with DecodePool(Hostile(), SIZE) as pool:
        for _ in range(4):
            for decoded in pool.decode(names()):
                check(decoded)
            for worker in pool._workers:
                os.kill(worker.pid, signal.SIGKILL)


def test_ctrl_c_and_ctrl_z_reach_the_pool_alone() -> None:
    with DecodePool(Hostile(), SIZE) as pool:
        assert os.getpgrp() not in [os.getpgid(worker.pid) for worker in pool._workers]


def test_a_decoder_deaf_to_its_alarm_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluebird.search.pool._GRACE_SECONDS", 0.1)
    with DecodePool(Hostile(), SIZE, timeout_seconds=0.3) as pool:
        got = list(pool.decode(["good/0", "deafen/1", "good/2"]))
    assert [decoded.error for decoded in got] == ["", "gave up after 0.3 s", ""]


@pytest.mark.parametrize(("patient", "error"), [(True, ""), (False, "gave up after 1.5 s")])
def test_on_a_long_way_the_time_limit_is_that_of_each_step(
    patient: bool, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bluebird.search.pool._GRACE_SECONDS", 0.2)
    with DecodePool(Hostile(), SIZE, timeout_seconds=1.5, patient=patient) as pool:
        got = list(pool.decode(["good/0", "approach/1", "good/2"]))
    assert [decoded.error for decoded in got] == ["", error, ""]


@pytest.mark.parametrize("kind", ["leave", "crash", "odd"])
def test_workers_that_cannot_begin_are_said_in_one_line(kind: str) -> None:
    pool = DecodePool(Unborn(kind=kind), SIZE)
    with pool, pytest.raises(BluebirdError, match=r"exit code 5|SIGSEGV|no such number") as error:
        list(pool.decode(["good/0"]))
    assert "\n" not in str(error.value)


def photos(folder: Path) -> list[str]:
    """Some that are decoded at a fraction of their size, some turned, some in vain."""
    rng = np.random.default_rng(0)
    for number in range(20):
        spots = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        picture = spots.resize((40 + 61 * (number % 7), 30 + 47 * (number % 5)), Image.Resampling.BICUBIC)
        exif = Image.Exif()
        exif[274] = number % 8 + 1
        picture.save(folder / f"{number:02d}.jpg", exif=exif)
    Image.effect_noise((900, 700), 60).save(folder / "large.png")
    (folder / "text.jpg").write_text("no picture")
    return [*map(str, sorted(folder.iterdir())), str(folder / "missing.jpg")]


@pytest.mark.parametrize(("batch_size", "num_workers"), [(1, 1), (7, 2), (100, 3)])
def test_neither_batches_nor_workers_change_what_shrink_makes_of_a_file(
    tmp_path: Path, batch_size: int, num_workers: int
) -> None:
    paths = photos(tmp_path)
    with DecodePool(Files(), SIZE, num_workers=num_workers) as pool:
        batches = list(pool.decode_batches(paths, repeat(batch_size)))
    assert [len(batch.decoded) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    got = [decoded for batch in batches for decoded in batch.decoded]
    assert [decoded.name for decoded in got] == paths
    assert [Path(decoded.name).name for decoded in got if decoded.error] == ["text.jpg", "missing.jpg"]
    for decoded in got[:-2]:
        alone = shrink(Path(decoded.name).read_bytes(), decoded.name, SIZE)
        assert decoded.pixels is not None
        assert torch.equal(decoded.pixels, alone.pixels)
        assert (decoded.dhash, decoded.facts) == (alone.dhash, alone.facts)


def test_a_batch_is_one_piece_of_memory_channels_last(tmp_path: Path) -> None:
    with DecodePool(Files(), SIZE) as pool:
        (batch,) = pool.decode_batches(photos(tmp_path), repeat(100))
    readable = [decoded for decoded in batch.decoded if not decoded.error]
    assert batch.pixels.shape == (len(readable), 3, SIZE, SIZE)
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)
    for row, decoded in zip(batch.pixels, readable, strict=True):
        assert decoded.pixels is not None
        assert decoded.pixels.data_ptr() == row.data_ptr()


def test_a_batch_in_vain_has_no_pixels() -> None:
    with DecodePool(Hostile(), SIZE) as pool:
        batches = list(pool.decode_batches(["gone/1", "text/2", "gone/3"], repeat(2)))
        assert list(pool.decode_batches([], repeat(2))) == []
    assert [tuple(batch.pixels.shape) for batch in batches] == [(0, 3, SIZE, SIZE)] * 2


def test_names_are_taken_only_as_they_are_needed() -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"good/{taken}"

    with DecodePool(Hostile(), SIZE) as pool:
        batches = pool.decode_batches(endless(), repeat(50))
        for _ in range(20):
            for decoded in next(batches).decoded:
                check(decoded)
        assert taken <= 20 * 50 + 3 * 50


def test_a_caller_who_stops_half_way_can_ask_again() -> None:
    with DecodePool(Hostile(), SIZE) as pool:
        first = pool.decode([f"good/{n}" for n in range(300)])
        for _ in range(3):
            next(first)
        del first
        for decoded in pool.decode(names("crash")):
            check(decoded)


SCAN = """
import threading, time
from bluebird.search.pool import DecodePool
from tests.search.hostile import Hostile

stuck = ["compute/1"] + ["good/2"] * 15 + ["sleep/3"] + ["good/4"] * 15
with DecodePool(Hostile(), 16, timeout_seconds=1) as pool:
    workers = list(pool._workers)
    threading.Thread(target=lambda: list(pool.decode(stuck)), daemon=True).start()
    while {worker.slots.at for worker in workers} != {0, 16}:
        time.sleep(0.01)
    print(*(worker.pid for worker in workers), flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_and_no_memory_outlives_the_scan(blow: signal.Signals) -> None:
    shared = Path("/dev/shm")
    before = set(shared.iterdir()) if shared.exists() else set()
    command = [sys.executable, "-c", SCAN]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=pipe, stderr=nowhere, start_new_session=True) as scan:
        assert scan.stdout is not None
        workers = [int(pid) for pid in scan.stdout.readline().split()]
        assert [is_alive(pid) for pid in workers] == [True, True]
        os.killpg(scan.pid, blow)
    deadline = time.monotonic() + 60
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, workers))
    assert (set(shared.iterdir()) if shared.exists() else set()) <= before


def is_alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


@pytest.mark.trial
def test_every_strange_file_agrees_with_decode(real_pictures: Path) -> None:
    paths = [str(path) for path in sorted((real_pictures / "odd").rglob("*")) if path.is_file()]
    with DecodePool(Files(), 32, timeout_seconds=120) as pool:  # a busy machine may well stand still for ten
        got = list(pool.decode(paths))
    assert [decoded.name for decoded in got] == paths
    with ThreadPoolExecutor(2) as threads:
        expected = list(threads.map(reason, paths))
    for decoded, error in zip(got, expected, strict=True):
        if error:  # one of them says that it is huge, and is given up sooner
            assert decoded.error in (error, "needs more than 2 GiB"), decoded.name
        else:
            assert not decoded.error, decoded.name
    assert expected.count("") > 400
    assert len(expected) - expected.count("") > 100


def reason(path: str) -> str:
    """Why `decode` cannot read it; empty where it can."""
    try:
        decode(path)
    except UnreadablePictureError as error:
        return error.reason
    return ""


def test_while_it_works_torch_has_one_thread_here_and_afterwards_as_many_as_before() -> None:
    before = torch.get_num_threads()
    with DecodePool(Files(), 16):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_a_file_of_known_content_is_read_and_not_decoded(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (20, 20), (80 * number, 0, 0)).save(tmp_path / f"{number}.png")
    contents = [(tmp_path / f"{number}.png").read_bytes() for number in range(3)]
    digests = [hashlib.blake2b(content, digest_size=16).digest() for content in contents]
    (tmp_path / "broken.png").write_bytes(b"no picture at all")
    broken = hashlib.blake2b(b"no picture at all", digest_size=16).digest()
    with DecodePool(open_source(str(tmp_path)), SIZE) as pool:
        pool.known = {
            "0.png": dict.fromkeys(digests),
            "1.png": {digests[0]: None},
            "broken.png": {broken: None},
        }
        known, other, unasked, unread = pool.decode(["0.png", "1.png", "2.png", "broken.png"])
    assert known == Decoded("0.png", digest=digests[0])
    assert unread == Decoded("broken.png", digest=broken)  # nobody has looked what it is
    for decoded, digest in ((other, digests[1]), (unasked, digests[2])):
        assert decoded.pixels is not None
        assert decoded.facts is not None
        assert decoded.facts.digest == digest
