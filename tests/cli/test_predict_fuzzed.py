"""Searches through files that were broken on purpose: each gets its row, and the search comes to its end."""

from __future__ import annotations

import errno
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.broken import OPENED, bombs, painted, slow, variants, vast
from tests.cli.searches import arguments, rows, run

_JUDGE = """
import sys, warnings
from PIL import Image
warnings.simplefilter("ignore")
for name in sys.stdin.read().split("\\0"):
    try:
        with Image.open(name) as image:
            image.load()
            image.convert("RGB")
    except Exception:
        continue
    print(name)
"""


def _judged(folder: Path, names: list[str]) -> set[str]:
    """Those that Pillow reads."""
    command = [sys.executable, "-c", _JUDGE]
    done = subprocess.run(command, input="\0".join(names), cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0
    return set(done.stdout.splitlines())


def _searched(trained: Path, folder: Path, *more: str) -> tuple[set[str], dict[str, str]]:
    """What was scored, and what was not with the reason; once every file has been seen to have a single row."""
    out = folder.with_name("out")
    done = run(arguments(trained, folder, out, *more))
    assert (done.returncode, done.stderr) == (3, "")  # not even the remarks of libpng and libtiff
    scored = [row["path"] for row in rows(out)]
    unscored = rows(out, "failures.csv")
    failed = [row for row in unscored if row["status"] == "failed"]
    counts = f"{len(scored)} scored + {len(failed)} failed + {len(unscored) - len(failed)} skipped"
    assert f"files        {len(scored) + len(unscored)} found = {counts}" in done.stdout.replace(",", "")
    for row in unscored:
        assert row["reason"]
        assert row["reason"].isprintable(), row
    reasons = {row["path"]: row["reason"] for row in unscored}
    assert len({*scored, *reasons}) == len(scored) + len(unscored)
    return set(scored), reasons


@pytest.mark.parametrize(
    ("flips", "taken"), [(4, 90), pytest.param(400, 10_000, marks=pytest.mark.trial, id="thousands")]
)
def test_of_fuzzed_pictures_those_are_scored_that_pillow_reads(
    trained: Path, tmp_path: Path, flips: int, taken: int
) -> None:
    """A video of one picture is scored as its only frame; an archive that is none is not looked into."""
    made = list(variants(flips, flips))
    random.Random(flips).shuffle(made)
    (tmp_path / "fuzzed").mkdir()
    for name, data in made[:taken]:
        (tmp_path / "fuzzed" / name).write_bytes(data)
    scored, reasons = _searched(trained, tmp_path / "fuzzed")
    scored = {name.removesuffix("#t=0.0") for name in scored}
    assert scored | reasons.keys() == {name for _, _, names in os.walk(tmp_path / "fuzzed") for name in names}
    readable = _judged(tmp_path / "fuzzed", [name for name, _ in made[:taken]])
    assert scored <= readable
    assert all(name.endswith(OPENED) for name in readable - scored)
    assert min(len(scored), len(reasons)) > min(taken, len(made)) // 10


def _lay_out(folder: Path) -> dict[str, str]:
    """Things that only look like pictures; what there is to say of each."""
    good = painted("png", np.random.default_rng(1))
    for name in ("x.jpg", "deep.zip", "empty.jpg"):
        (folder / name).mkdir(parents=True)
    for name in ("good.png", "x.jpg/good.jpg", "deep.zip/good.zip.png", ".hidden.png"):
        (folder / name).write_bytes(good)
    (folder / "nothing.jpg").touch()
    (folder / "vast.png").write_bytes(vast())
    (folder / "dangling.jpg").symlink_to("nowhere")
    (folder / "itself.jpg").symlink_to("itself.jpg")
    os.mkfifo(folder / "pipe.jpg")
    os.mkfifo(folder / "pipe.zip")
    return {
        ".hidden.png": "hidden file",
        "nothing.jpg": "the file is empty (0 bytes)",
        "vast.png": "more than the limit of 179 megapixels",
        "dangling.jpg": "no such file",
        "itself.jpg": os.strerror(errno.ELOOP),
        **dict.fromkeys(("pipe.jpg", "pipe.zip", "socket.jpg"), "not a regular file"),
    }


def test_what_only_looks_like_a_picture_is_told_from_one(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "odd"
    expected = _lay_out(folder)
    members = bombs(folder / "bombs.zip", (folder / "good.png").read_bytes())
    if os.geteuid():  # root may read everything
        (folder / "locked.png").write_bytes(b"x")
        (folder / "locked.png").chmod(0)
        expected["locked.png"] = os.strerror(errno.EACCES)
    monkeypatch.chdir(folder)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        scored, reasons = _searched(trained, folder)
    assert reasons == expected | {f"bombs.zip!{name}": why for name, why in members.items()}
    walked = {os.path.relpath(Path(at) / name, folder) for at, _, names in os.walk(folder) for name in names}
    inside = {f"bombs.zip!{name}" for name in (*members, "good.png")}
    assert scored | reasons.keys() == walked - {"bombs.zip"} | inside


def test_a_picture_over_the_limit_of_time_or_memory_is_given_up_and_the_search_goes_on(
    trained: Path, tmp_path: Path
) -> None:
    folder, good = tmp_path / "large", painted("png", np.random.default_rng(2))
    folder.mkdir()
    for number in range(40):
        (folder / f"good {number:02d}.png").write_bytes(good + b"%d" % number)
    (folder / "good 10 slow.jpg").write_bytes(slow())
    expected = {"good 10 slow.jpg": "gave up after 1 s"}
    if sys.platform == "linux":  # no limit of memory elsewhere
        (folder / "good 20 long.png").write_bytes(good)
        os.truncate(folder / "good 20 long.png", 2**31 - 2**20)
        expected["good 20 long.png"] = "needs more than 2 GiB"
    scored, reasons = _searched(trained, folder, "--timeout", "1")
    assert reasons == expected
    assert scored == {f"good {number:02d}.png" for number in range(40)}
