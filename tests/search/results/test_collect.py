from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from bluebird.errors import OutputError
from bluebird.search.results import Failure, How, Outcome
from tests.search.results.collecting import Place
from tests.search.results.example import find, jpeg

HOWS: list[How] = ["copy", "symlink", "move"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(("how", "outcome"), [("copy", "copied"), ("symlink", "linked"), ("move", "moved")])
def test_finds_come_under_their_rank_score_and_name(place: Place, how: How, outcome: Outcome) -> None:
    place.put("in/a.JPG", b"one")
    place.put("b.tar.png", b"two")
    done = place.collect([find(1, "in/a.JPG", 0.98765), find(12345, "b.tar.png", 0.5)], how)
    assert done == {outcome: 2}
    assert place.content() == {"0001_0.988_a.JPG": b"one", "12345_0.500_b.tar.png": b"two"}
    assert all(path.is_symlink() == (how == "symlink") for path in place.folder.iterdir())
    assert sorted(path.name for path in place.root.rglob("*.*g")) == ([] if how == "move" else ["b.tar.png"])
    assert place.failures == []


@pytest.mark.parametrize("how", HOWS)
def test_a_second_run_finds_all_there(place: Place, how: How) -> None:
    finds = [find(1, "a.jpg", 0.9), find(1, "b/a.jpg", 0.9, leader="a.jpg"), find(2, "c.jpg", 0.8)]
    for one in finds:
        place.put(one.name, b"the same bytes")
    place.collect(finds, how)
    before = place.content()
    assert len(before) == 3
    assert place.collect(finds, how) == {"already_there": 3}
    assert place.content() == before
    assert place.failures == []


@pytest.mark.parametrize("how", HOWS)
def test_nothing_is_overwritten(place: Place, how: How) -> None:
    place.folder.mkdir()
    (place.folder / "0001_0.900_a.jpg").write_bytes(b"somebody else's")
    (place.folder / "0001_0.900_a_2.jpg").symlink_to(place.root / "nowhere")
    place.put("a.jpg", b"mine")
    place.collect([find(1, "a.jpg", 0.9)], how)
    assert (place.folder / "0001_0.900_a.jpg").read_bytes() == b"somebody else's"
    assert (place.folder / "0001_0.900_a_2.jpg").is_symlink()
    assert (place.folder / "0001_0.900_a_3.jpg").read_bytes() == b"mine"


def test_a_move_does_not_take_a_link_to_the_picture_for_the_picture(place: Place) -> None:
    place.put("a.jpg", b"the only one")
    place.collect([find(1, "a.jpg", 0.9)], "symlink")
    place.collect([find(1, "a.jpg", 0.9)], "move")
    assert (place.folder / "0001_0.900_a_2.jpg").read_bytes() == b"the only one"
    assert not (place.folder / "0001_0.900_a_2.jpg").is_symlink()


@pytest.mark.parametrize("how", HOWS)
def test_members_of_archives_and_frames_are_written_out(place: Place, how: How) -> None:
    with zipfile.ZipFile(place.root / "a.zip", "w") as archive:
        archive.writestr("in/x.png", b"member")
    place.put("clip.mp4", b"film")
    finds = [find(1, "a.zip!in/x.png", 0.9), find(2, "clip.mp4#t=12.0", 0.8)]
    assert place.collect(finds, how) == {"copied": 2}
    assert place.content() == {"0001_0.900_x.png": b"member", "0002_0.800_clip.mp4_t12.0.jpg": jpeg()}
    assert place.collect(finds, how) == {"already_there": 2}
    assert (place.root / "a.zip").exists()
    assert (place.root / "clip.mp4").read_bytes() == b"film"


def test_a_threshold_and_a_last_rank_choose(place: Place) -> None:
    finds = [find(1, "a", 0.9), find(1, "b", 0.4, leader="a"), find(2, "c", 0.6), find(3, "d", 0.5), find(4, "e", 0.1)]
    for one in finds:
        place.put(one.name, one.name.encode())
    assert place.collect(finds, at_least=0.5) == {"copied": 3}
    assert sorted(place.content().values()) == [b"a", b"c", b"d"]
    assert place.collect(finds, first=2) == {"already_there": 2, "copied": 1}
    assert sorted(place.content().values()) == [b"a", b"b", b"c", b"d"]


def test_a_find_that_has_gone_is_told_and_the_others_go_on(place: Place) -> None:
    place.put("b.jpg", b"two")
    assert place.collect([find(1, "a.jpg", 0.9), find(2, "b.jpg", 0.8)], "move") == {"failed": 1, "moved": 1}
    assert place.failures == [Failure("a.jpg", "no such file", "failed")]


@pytest.mark.parametrize("name", [b"c\xff\n.jpg", "\u2028é".encode() * 40 + b".jpg", b"x" * 255, b"." + b"y" * 254])
def test_a_name_of_any_bytes_and_length_is_collected(place: Place, name: bytes) -> None:
    try:
        place.put(os.fsdecode(name), b"one")
    except OSError:
        pytest.skip("this file system does not take such a name")
    finds = [find(1, os.fsdecode(name), 0.9)]
    assert place.collect(finds) == {"copied": 1}
    assert place.collect(finds) == {"already_there": 1}
    ((new, data),) = place.content().items()
    assert data == b"one"
    assert new.startswith("0001_0.900_")
    assert Path(new).suffix == Path(os.fsdecode(name)).suffix or len(name) == 255


def test_a_file_in_place_of_the_folder_is_said_in_one_line(place: Place) -> None:
    place.folder.write_text("a file")
    place.put("a.jpg", b"one")
    with pytest.raises(OutputError, match="collected': cannot be written"):
        place.collect([find(1, "a.jpg", 0.9)])
