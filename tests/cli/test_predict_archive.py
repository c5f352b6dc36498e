"""An archive that cannot be opened for a while, as after a copy that broke off or on a drive that stumbles."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bluebird.cli import main
from tests.cli.searches import photos, rows

Capture = pytest.CaptureFixture[str]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _unlink(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize("harm", [_cut, _unlink])
@pytest.mark.parametrize("in_a_folder", [True, False])
def test_its_finds_stay_until_it_opens_again(
    trained: Path, tmp_path: Path, capsys: Capture, harm: Callable[[Path], None], in_a_folder: bool
) -> None:
    path, out = tmp_path / "in" / "day.zip", tmp_path / "out"
    photos(tmp_path / "unpacked", 6)
    photos(tmp_path / "in" / "beside", 1)
    with zipfile.ZipFile(path, "w") as file:
        for photo in sorted((tmp_path / "unpacked").rglob("*.jpg")):
            file.write(photo, photo.name)
    (tmp_path / "list.txt").write_text("in/beside/0/00000.jpg\nin/day.zip\n")
    where = tmp_path / "in" if in_a_folder else tmp_path / "list.txt"
    search = ["predict", str(trained), str(where), "--target", "blue", "--out", str(out)]
    assert main(search) == 0
    before, whole = rows(out), path.read_bytes()
    assert len(before) == 7
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns

    harm(path)
    capsys.readouterr()
    assert main(search) == 3
    assert "8 found = 7 scored + 1 failed + 0 skipped\n" in capsys.readouterr().out
    assert rows(out) == before
    assert "day.zip," in (out / "failures.csv").read_text()

    path.unlink()
    path.write_bytes(whole)
    os.utime(path, ns=times)
    assert main(search) == 0
    assert "7 found = 7 scored + 0 failed + 0 skipped\n" in capsys.readouterr().out
    assert rows(out) == before

    path.unlink()
    (tmp_path / "list.txt").write_text("in/beside/0/00000.jpg\n")
    assert main(search) == 0
    assert "; 6 gone\n" in capsys.readouterr().out
