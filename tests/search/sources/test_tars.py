from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import sys
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from bluebird.search.sources.archive import ArchiveSource
from tests.search.sources.refusal import reason

MakeArchive = Callable[[Path, dict[str, bytes]], Path]


def _rows(path: Path) -> dict[str, str]:
    return {found.name: found.skipped for found in ArchiveSource(path, "a")}


def _reason(path: Path, name: str) -> str:
    return reason(ArchiveSource(path, "a"), name)


def test_links_devices_and_folders_are_no_files(tmp_path: Path) -> None:
    kinds = {
        "symbolic.jpg": tarfile.SYMTYPE,
        "hard.jpg": tarfile.LNKTYPE,
        "null.jpg": tarfile.CHRTYPE,
        "pipe.jpg": tarfile.FIFOTYPE,
        "folder": tarfile.DIRTYPE,
        "file.jpg": tarfile.REGTYPE,
    }
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in kinds.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "file.jpg"
            tar.addfile(info)
    assert _rows(tmp_path / "a.tar") == {
        "a!symbolic.jpg": "a link inside an archive, to file.jpg",
        "a!hard.jpg": "a link inside an archive, to file.jpg",
        "a!null.jpg": "a device or pipe inside an archive",
        "a!pipe.jpg": "a device or pipe inside an archive",
        "a!file.jpg": "",
    }


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read(tmp_path: Path, form: int) -> None:
    name = f"{'long/' * 20}é\udcff.jpg" if form != tarfile.USTAR_FORMAT else "short.jpg"
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as tar:
        for inner in (name, "last.jpg"):
            info = tarfile.TarInfo(inner)
            info.size, info.mtime = 4, 1.5
            tar.addfile(info, io.BytesIO(b"data"))
    assert list(_rows(tmp_path / "a.tar")) == [f"a!{name}", "a!last.jpg"]
    assert ArchiveSource(tmp_path / "a.tar", "a").read(f"a!{name}") == b"data"


def test_what_stands_before_the_damage_is_still_found(tmp_path: Path, make_archive: MakeArchive) -> None:
    path = make_archive(tmp_path / "a.tar", {"1.jpg": b"one", "2.jpg": b"two", "3.jpg": b"three"})
    data = bytearray(path.read_bytes())
    data[1024:1536] = b"\xff" * 512  # the second header; each file takes a block for it and one for its data
    path.write_bytes(data)
    assert _rows(path) == {"a!1.jpg": "", "a": ""}
    assert ArchiveSource(path, "a").read("a!1.jpg") == b"one"
    assert _reason(path, "a").startswith("broken archive: no header of a file")


def test_an_end_that_is_missing_is_told(tmp_path: Path, make_archive: MakeArchive) -> None:
    path = make_archive(tmp_path / "a.tar", {"1.jpg": b"one", "2.jpg": b"two"})
    path.write_bytes(path.read_bytes()[:1024])  # cut between two files: the first looks whole
    assert _rows(path) == {"a!1.jpg": "", "a": ""}


def test_a_wrong_checksum_of_the_whole_is_told(tmp_path: Path, make_archive: MakeArchive) -> None:
    path = make_archive(tmp_path / "a.tar.gz", {"1.jpg": b"one"})
    data = bytearray(path.read_bytes())
    data[-8] ^= 1  # a gzip file ends in its checksum and its size, 4 bytes each
    path.write_bytes(data)
    assert _rows(path) == {"a!1.jpg": "", "a": ""}
    assert "CRC check failed" in _reason(path, "a")


def test_a_member_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("bomb.jpg")
    info.size = 600 << 20
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(4096))
    assert _rows(tmp_path / "a.tar") == {"a!bomb.jpg": "", "a": ""}
    assert _reason(tmp_path / "a.tar", "a!bomb.jpg") == "unpacks to 600 MiB, more than the limit of 512 MiB"


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz"])
def test_a_bomb_is_not_unpacked_to_see_what_lies_behind_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.tar.{ending}"
    bomb = tarfile.TarInfo("bomb.jpg")
    bomb.size = 513 << 20
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[ending]
    zeros = pack(bytes(27 << 20))  # 19 of them behind one another are the bomb, and each form unpacks all as one
    path.write_bytes(pack(bomb.tobuf()) + 19 * zeros + pack(tarfile.TarInfo("behind.jpg").tobuf() + bytes(1024)))
    assert _rows(path) == {"a!bomb.jpg": "", "a": ""}
    assert _reason(path, "a").startswith("broken archive: packed more tightly than any picture: 513 MiB")


def test_a_header_is_not_read_when_it_is_huge(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 300 << 20
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tarfile.TarInfo("1.jpg").tobuf() + header.tobuf() + bytes(300 << 20), 1))
    tracemalloc.start()
    try:
        assert _rows(path) == {"a!1.jpg": "", "a": ""}
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert _reason(path, "a") == "broken archive: a header of 300 MiB, more than the limit of 1 MiB"


def test_a_member_cut_short_is_no_picture(tmp_path: Path) -> None:
    info = tarfile.TarInfo("cut.jpg")
    info.size = 5000
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(4000))
    assert _reason(tmp_path / "a.tar", "a!cut.jpg") == "cannot be unpacked: the archive ends in the middle of it"


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz"])
def test_a_compressed_tar_read_in_order_is_unpacked_once(
    tmp_path: Path, make_archive: MakeArchive, ending: str
) -> None:
    members = {f"{number}.jpg": bytes([number]) * 70_000 for number in range(60)}
    path = make_archive(tmp_path / f"a.tar.{ending}", members)
    source = ArchiveSource(path, "a")
    names = [found.name for found in source]

    def read(names: list[str]) -> Callable[[], object]:
        return lambda: [source.read(name) for name in names]

    assert _rewinds(lambda: list(source)) <= 1
    assert _rewinds(read(names)) <= 1
    assert _rewinds(read(names[::-1])) > 50  # so the count does count


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz"])
def test_on_the_way_through_a_compressed_tar_signs_are_given(
    tmp_path: Path, make_archive: MakeArchive, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bluebird.search.sources.tars._STEP", 10_000)
    signs: list[None] = []
    monkeypatch.setattr("bluebird.search.found._listeners", [lambda: signs.append(None)])
    noise = random.Random(0).randbytes(100_000)
    path = make_archive(tmp_path / f"a.tar.{ending}", {"first.jpg": noise, "last.jpg": b"here"})
    source = ArchiveSource(path, "a")
    assert source.read("a!last.jpg") == b"here"
    assert 10 <= len(signs) < 20
    signs.clear()
    assert source.read("a!first.jpg") == noise
    assert source.read("a!last.jpg") == b"here"
    assert len(signs) < 12


def _rewinds(action: Callable[[], object]) -> int:
    """How often Python's decompressing files go back to their start meanwhile."""
    calls = 0

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_name == "_rewind"

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls
