from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.inspection.sets import bird, looked_at, paint, problems

KINDS = ("unreadable", "tiny", "odd shape", "plain")


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    for label in ("cardinal", "robin"):
        paint(tmp_path, label, 6)
    return tmp_path


def test_painted_birds_are_in_order(birds: Path) -> None:
    assert not problems(looked_at(birds), *KINDS)


def test_each_fault_of_a_file_is_found_and_no_other(birds: Path) -> None:
    whole = (birds / "robin" / "000.png").read_bytes()
    (birds / "robin" / "half.png").write_bytes(whole[: len(whole) // 2])
    (birds / "robin" / "notes.txt").write_text("robins are red")
    (birds / "robin" / "empty.jpg").touch()
    bird("robin", 60).resize((31, 40)).save(birds / "robin" / "tiny.png")
    bird("robin", 61).resize((260, 64)).save(birds / "robin" / "strip.png")
    Image.new("RGB", (64, 64)).save(birds / "robin" / "black.png")
    assert problems(looked_at(birds), *KINDS) == {
        ("unreadable", "robin/half.png"),
        ("unreadable", "robin/notes.txt"),
        ("unreadable", "robin/empty.jpg"),
        ("tiny", "robin/tiny.png"),
        ("odd shape", "robin/strip.png"),
        ("plain", "robin/black.png"),
    }


def test_sizes_at_the_limit_are_in_order(birds: Path) -> None:
    bird("robin", 60).resize((32, 32)).save(birds / "robin" / "small.png")
    bird("robin", 61).resize((256, 64)).save(birds / "robin" / "wide.png")
    assert not problems(looked_at(birds), *KINDS)


def test_an_unreadable_file_has_its_reason(birds: Path) -> None:
    (birds / "robin" / "empty.jpg").touch()
    (problem,) = looked_at(birds).of("unreadable")
    assert problem.detail == "the file is empty (0 bytes)"


def test_a_folder_of_nothing_but_rubbish_is_told_of(tmp_path: Path) -> None:
    for label in ("cardinal", "robin"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.jpg").write_text("no picture")
    found = looked_at(tmp_path)
    assert found.counts["unreadable"] == 2
    assert not found.rows
