"""Whatever a search is like, its finds are the same."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest

from bluebird.cli import main
from tests.cli.searches import arguments, end, photos, rows

_SETTINGS = [(1, 1), (7, 3), (64, 2)]


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("same") / "photos", 300)


def _search(model: Path, where: Path, out: Path, batch_size: int, num_workers: int) -> list[str]:
    return arguments(model, where, out, "--batch-size", str(batch_size), "--num-workers", str(num_workers))


def _finds(search: list[str], out: Path) -> bytes:
    assert main(search) == 3
    return (out / "finds.csv").read_bytes()


@pytest.fixture(scope="module")
def by_setting(trained: Path, unknown: Path) -> dict[tuple[int, int], Path]:
    """What searches with several batch sizes and numbers of workers gave."""
    outs = {setting: unknown.with_name("out {} {}".format(*setting)) for setting in _SETTINGS}
    for setting, out in outs.items():
        assert main(_search(trained, unknown, out, *setting)) == 3
    return outs


def test_neither_batch_size_nor_workers_change_the_ranking(by_setting: dict[tuple[int, int], Path]) -> None:
    first, *others = ([(row["path"], row["rank"], row["leader"]) for row in rows(out)] for out in by_setting.values())
    assert len(first) == 300
    assert others == [first] * 2


def test_neither_batch_size_nor_workers_change_a_digit_of_a_score(by_setting: dict[tuple[int, int], Path]) -> None:
    first, *others = ((out / "finds.csv").read_bytes() for out in by_setting.values())
    assert others == [first] * 2


@pytest.mark.parametrize("num_workers", [1, 3])
def test_another_number_of_workers_gives_the_very_file(
    trained: Path, unknown: Path, by_setting: dict[tuple[int, int], Path], tmp_path: Path, num_workers: int
) -> None:
    got = _finds(_search(trained, unknown, tmp_path, 64, num_workers), tmp_path)
    assert got == (by_setting[64, 2] / "finds.csv").read_bytes()


def test_files_that_lie_on_the_disk_in_another_order_give_the_very_file(
    trained: Path, unknown: Path, by_setting: dict[tuple[int, int], Path], tmp_path: Path
) -> None:
    files = sorted(unknown.rglob("*.jpg"))
    random.Random(1).shuffle(files)
    for file in files:
        copy = tmp_path / "photos" / file.relative_to(unknown)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    got = _finds(_search(trained, tmp_path / "photos", tmp_path / "out", 64, 2), tmp_path / "out")
    assert got == (by_setting[64, 2] / "finds.csv").read_bytes()


@pytest.mark.parametrize("blow", [pytest.param(signal.SIGKILL, marks=pytest.mark.trial), signal.SIGINT])
def test_an_interruption_gives_the_very_file(
    trained: Path, unknown: Path, by_setting: dict[tuple[int, int], Path], tmp_path: Path, blow: signal.Signals
) -> None:
    search = _search(trained, unknown, tmp_path, 64, 2)
    end(search, tmp_path, 1, blow)
    assert _finds(search, tmp_path) == (by_setting[64, 2] / "finds.csv").read_bytes()


def test_files_that_came_later_give_the_file_of_one_search(
    trained: Path, unknown: Path, by_setting: dict[tuple[int, int], Path], tmp_path: Path
) -> None:
    folder, away = tmp_path / "photos", tmp_path / "away"
    shutil.copytree(unknown, folder)
    (folder / "3").rename(away)
    search = _search(trained, folder, tmp_path / "out", 64, 2)
    assert main(search) in (0, 3)
    away.rename(folder / "3")
    assert _finds(search, tmp_path / "out") == (by_setting[64, 2] / "finds.csv").read_bytes()
