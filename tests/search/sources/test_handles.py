from __future__ import annotations

import threading
from io import FileIO
from pathlib import Path

import pytest

from bluebird.search.sources.handles import Handles


def _files(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_text(name)
    return [folder / name for name in names]


def test_a_file_stays_open_from_one_read_to_the_next(tmp_path: Path) -> None:
    handles = Handles(FileIO, keep=2)
    a, b, c = _files(tmp_path, "a", "b", "c")
    first = handles.get(a)
    second = handles.get(b)
    assert handles.get(a) is first
    third = handles.get(c)  # b was asked for longest ago
    assert (first.closed, second.closed, third.closed) == (False, True, False)
    first.close()
    third.close()


def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    handles = Handles(FileIO, keep=1)
    old = handles.get(*_files(tmp_path, "a"))
    new, path = _files(tmp_path, "new", "a")
    new.rename(path)
    with handles.get(path) as file:
        assert file.read() == b"new"
    assert old.closed


def test_each_thread_has_its_own(tmp_path: Path) -> None:
    handles = Handles(FileIO, keep=1)
    (path,) = _files(tmp_path, "a")
    others: list[FileIO] = []

    def take() -> None:
        others.append(handles.get(path))
        others[0].close()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    with handles.get(path) as own:
        assert own is not others[0]


def test_a_file_that_is_gone_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Handles(FileIO, keep=1).get(tmp_path / "gone")
