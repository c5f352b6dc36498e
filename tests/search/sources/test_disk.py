from __future__ import annotations

from pathlib import Path

import pytest

from bluebird.errors import UnreadablePictureError
from bluebird.search.found import Found
from bluebird.search.sources.disk import MAX_FILE_BYTES, found_file, read_file


def _reason(path: Path) -> str:
    with pytest.raises(UnreadablePictureError) as caught:
        read_file(path, "name")
    assert caught.value.path == "name"
    return caught.value.reason


def test_a_file_too_large_for_a_picture_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # takes no room on the disk
    assert _reason(tmp_path / "large") == "2.0 GiB, more than the limit of 2 GiB"


def test_a_file_without_rights_is_not_read(unprivileged: Path) -> None:
    (unprivileged / "locked").write_bytes(b"x")
    (unprivileged / "locked").chmod(0)
    assert _reason(unprivileged / "locked") == "Permission denied"
    assert found_file(unprivileged / "locked", "name").size == 1


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    assert _reason(tmp_path) == "a folder"
    assert found_file(tmp_path, "name").skipped == "a folder; list the files in it"


@pytest.mark.parametrize("name", ["n" * 5000, "nul\0", "absent", "file/below"])
def test_a_path_that_cannot_be_is_no_crash(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert "\n" not in _reason(tmp_path / name)
    assert found_file(tmp_path / name, "name") == Found("name", 0, 0)
