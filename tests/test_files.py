from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bluebird.errors import OutputError
from bluebird.files import whole


@contextmanager
def no_room_beyond(size: int) -> Iterator[None]:
    """The operating system refuses to let a file grow over `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _write(path: Path, data: bytes) -> None:
    with whole(path) as part, part.open("wb") as file:
        file.write(data)


def test_a_file_and_its_folder_are_made(tmp_path: Path) -> None:
    _write(tmp_path / "a" / "b" / "file", b"new")
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "a" / "b").iterdir()] == [("file", b"new")]


def test_who_reads_the_old_file_reads_it_to_its_end(tmp_path: Path) -> None:
    _write(tmp_path / "file", b"old")
    with (tmp_path / "file").open("rb", buffering=0) as reader:
        _write(tmp_path / "file", b"new")
        assert reader.read() == b"old"
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_there_stays_when_the_writing_breaks_off(tmp_path: Path, error: type[BaseException]) -> None:
    _write(tmp_path / "file", b"old")

    def break_off() -> None:
        with whole(tmp_path / "file") as part:
            part.write_bytes(b"half of the n")
            raise error

    with pytest.raises(error):
        break_off()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_no_room_leaves_what_was_there(tmp_path: Path) -> None:
    _write(tmp_path / "file", b"old")
    with no_room_beyond(100_000), pytest.raises(OutputError, match=r"file': cannot be written \(File too large\)"):
        _write(tmp_path / "file", bytes(100_001))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_a_folder_in_the_way_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OutputError, match="Is a directory") as caught:
        _write(tmp_path / "file", b"new")
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_file_in_place_of_the_folder_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        _write(tmp_path / "out" / "file", b"new")
