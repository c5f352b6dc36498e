from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

from bluebird.search.sources.archive import ArchiveSource
from tests.search.sources.refusal import reason

MakeArchive = Callable[[Path, dict[str, bytes]], Path]

# offsets into the headers, by the format's own description (APPNOTE 4.3.7 and 4.3.12)
LOCAL, LOCAL_FLAGS = b"PK\x03\x04", 6
CENTRAL, CENTRAL_FLAGS, CENTRAL_METHOD, CENTRAL_SIZE = b"PK\x01\x02", 8, 10, 24


def _patch(path: Path, header: bytes, offset: int, value: bytes) -> None:
    data = bytearray(path.read_bytes())
    start = data.index(header) + offset
    data[start : start + len(value)] = value
    path.write_bytes(data)


def _reason(path: Path, name: str) -> str:
    return reason(ArchiveSource(path, path.name), f"{path.name}!{name}")


def test_an_encrypted_member_says_so_and_the_others_are_read(tmp_path: Path, make_archive: MakeArchive) -> None:
    path = make_archive(tmp_path / "a.zip", {"secret.jpg": b"secret", "open.jpg": b"open"})
    _patch(path, LOCAL, LOCAL_FLAGS, b"\x01")
    _patch(path, CENTRAL, CENTRAL_FLAGS, b"\x01")
    assert [found.name for found in ArchiveSource(path, "a.zip")] == ["a.zip!secret.jpg", "a.zip!open.jpg"]
    assert _reason(path, "secret.jpg") == "encrypted; unpack it with its password first"
    assert ArchiveSource(path, "a.zip").read("a.zip!open.jpg") == b"open"


def test_a_member_that_claims_to_be_huge_is_refused(tmp_path: Path, make_archive: MakeArchive) -> None:
    path = make_archive(tmp_path / "a.zip", {"x.jpg": b"data"})
    _patch(path, CENTRAL, CENTRAL_SIZE, (600 << 20).to_bytes(4, "little"))
    assert _reason(path, "x.jpg") == "unpacks to 600 MiB, more than the limit of 512 MiB"


def test_a_member_that_claims_less_than_it_unpacks_to_is_not_unpacked_further(
    tmp_path: Path, make_archive: MakeArchive
) -> None:
    path = make_archive(tmp_path / "a.zip", {"x.jpg": bytes(100 << 20)})
    _patch(path, CENTRAL, CENTRAL_SIZE, (1000).to_bytes(4, "little"))
    tracemalloc.start()
    try:
        assert _reason(path, "x.jpg") == "cannot be unpacked: Bad CRC-32 for file 'x.jpg'"
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_a_damaged_member_fails_alone(tmp_path: Path, make_archive: MakeArchive, pictures: dict[str, bytes]) -> None:
    path = make_archive(tmp_path / "a.zip", pictures)
    _patch(path, LOCAL, 50, b"\xff\xff\xff")  # in the data of the first
    first, *others = pictures
    assert _reason(path, first).startswith("cannot be unpacked: ")
    assert [ArchiveSource(path, "a").read(f"a!{name}") for name in others] == [pictures[name] for name in others]


def test_a_way_of_packing_that_is_not_known_is_told(tmp_path: Path, make_archive: MakeArchive) -> None:
    path = make_archive(tmp_path / "a.zip", {"x.jpg": b"data"})
    _patch(path, CENTRAL, CENTRAL_METHOD, b"\x61")
    assert _reason(path, "x.jpg").startswith("cannot be unpacked: ")


def test_links_and_folders_are_no_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        link = zipfile.ZipInfo("link.jpg")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        file.writestr(link, "x.jpg")
        file.writestr("folder/", "")
        file.writestr("x.jpg", "data")
    found = {found.name: found.skipped for found in ArchiveSource(tmp_path / "a.zip", "a.zip")}
    assert found == {"a.zip!link.jpg": "a link inside an archive", "a.zip!x.jpg": ""}


def test_a_program_that_unpacks_itself_is_a_zip_too(tmp_path: Path, make_archive: MakeArchive) -> None:
    path = make_archive(tmp_path / "a.zip", {"x.jpg": b"data"})
    path.write_bytes(b"MZ program" * 100 + path.read_bytes())
    assert ArchiveSource(path, "a").read("a!x.jpg") == b"data"
