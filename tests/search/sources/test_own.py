from __future__ import annotations

import os
from pathlib import Path

import pytest

from bluebird.search.sources import open_source
from bluebird.search.sources.own import OWN, Own

WRITTEN = ["finds.csv", "finds.html", "finds.jsonl", "finds.parquet", "finds.megadetector.json", "finds.csv.part",
           "finds.sqlite", "finds.sqlite-wal", "finds.sqlite-shm", "finds.lock", "failures.csv", "failures.csv.part",
           "status.json", "status.json.part", "sample.csv", "sample.html", "sample.json", "estimate.json",
           ".part", "0001_0.987_a.jpg", "12345_1.000_b c\n.png"]  # fmt: skip
OTHERS = ["finds.jpg", "my finds.csv", "failures.jpg", "0001.jpg", "0001_a.jpg", "IMG_0001_0.987_a.jpg", "a.jpg"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose folder `photos` holds both kinds of files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for name in [*WRITTEN, *OTHERS]:
        (tmp_path / "photos" / name).write_text(name)
        (tmp_path / "photos" / "deep" / name).write_text(name)
    return tmp_path


def _names(where: str, *exclude: str) -> set[str]:
    return {one.name for one in open_source(where, exclude=[Path(name) for name in exclude]) if not one.skipped}


BELOW = {f"deep/{name}" for name in [*WRITTEN, *OTHERS]} - {"deep/.part"}


@pytest.mark.parametrize("where", ["photos/**", "photos", "photos/"])
@pytest.mark.parametrize("out", ["photos", "photos/", "photos/deep/..", "link"])
def test_in_a_folder_that_is_searched_and_written_to_only_its_own_files_are_passed_over(
    place: Path, where: str, out: str
) -> None:
    (place / "link").symlink_to("photos")
    assert _names(where, out) == {*OTHERS, *BELOW}


@pytest.mark.parametrize("where", ["photos/**", "photos"])
def test_a_folder_to_write_below_the_searched_one_is_passed_over_as_a_whole(place: Path, where: str) -> None:
    assert _names(where, "photos/deep") == {*WRITTEN, *OTHERS} - {".part"}


@pytest.mark.parametrize("where", ["photos/deep/**", "photos/deep"])
def test_a_folder_to_write_around_the_searched_one_hides_nothing_of_it(place: Path, where: str) -> None:
    assert _names(where, "photos") == {*WRITTEN, *OTHERS} - {".part"}


@pytest.mark.parametrize("where", ["photos/deep/**", "photos/deep"])
def test_links_to_what_is_written_lead_to_nothing(place: Path, where: str) -> None:
    (place / "photos" / "deep" / "up").symlink_to(place / "photos")
    (place / "photos" / "deep" / "table").symlink_to(place / "photos" / "finds.csv")
    (place / "photos" / "deep" / "picture").symlink_to(place / "photos" / "a.jpg")
    up = {f"up/{name}" for name in OTHERS}
    assert _names(where, "photos") == {*WRITTEN, *OTHERS, "picture", *up} - {".part"}


def test_a_collected_link_is_not_the_picture_that_it_leads_to(place: Path) -> None:
    (place / "photos" / "0002_0.900_a.jpg").symlink_to(place / "photos" / "a.jpg")
    assert _names("photos/*", "photos") == set(OTHERS)


def test_a_log_is_passed_over_wherever_it_lies_and_whatever_it_is_called(place: Path) -> None:
    (place / "photos" / "again").symlink_to("a.jpg")
    assert _names("photos/**", "photos/deep", "photos/a.jpg") == {*WRITTEN, *OTHERS} - {".part", "a.jpg"}


def test_what_is_listed_and_written_by_the_search_is_skipped_with_the_reason(place: Path) -> None:
    (place / "photos" / "link").symlink_to("finds.csv")
    listed = ["photos/a.jpg", "photos/finds.csv", "photos/deep/finds.csv", "photos/./0001_0.987_a.jpg", "photos/link"]
    (place / "list.txt").write_text("\n".join(listed))
    found = {one.name: one.skipped for one in open_source("list.txt", exclude=[Path("photos")])}
    assert found == dict(zip(listed, ["", OWN, "", OWN, OWN], strict=True))


def test_a_disk_that_does_not_tell_capitals_apart_is_asked(place: Path) -> None:
    if not (place / "PHOTOS").exists():
        (place / "PHOTOS").symlink_to("photos")  # the same to `stat`
    own = Own([place / "PHOTOS"], place / "photos" / "deep")
    assert own.has_file(os.fspath(place / "photos" / "finds.csv"), is_link=False)
    assert not own.has_folder(os.fspath(place / "photos"))


@pytest.mark.parametrize("out", ["photos", "photos/deep", "link"])
def test_a_file_url_passes_over_what_the_path_passes_over(place: Path, out: str) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'bluebird[remote]'")
    (place / "link").symlink_to("photos")
    (place / "photos" / "table").symlink_to(place / "photos" / "finds.csv")
    assert _names((place / "photos").as_uri(), out) == _names("photos", out)
    assert len(_names((place / "photos").as_uri(), "elsewhere")) == 2 * len([*WRITTEN, *OTHERS]) - 1
