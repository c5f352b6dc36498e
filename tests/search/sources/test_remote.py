from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path

import pytest

from bluebird.errors import DataError, UsageError
from bluebird.search.found import Found
from bluebird.search.sources import open_source
from bluebird.search.sources.remote import RemoteSource, _mtime_ns
from tests.search.sources.refusal import reason

pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'bluebird[remote]'")
pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'bluebird[remote]'")

FILES = {
    "a.jpg": b"a", "a-b.jpg": b"ab", "a/1.jpg": b"a1", "a/deep/er/2.jpg": b"deep", "empty.jpg": b"",
    ".hidden/3.jpg": b"h", "c.zip": b"zip", "d.mp4": b"film",
}  # fmt: skip
ODD = {"with blank & é #1?.jpg": b"odd", "100%25.jpg": b"percent"}


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Not into the output of the tests."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_bytes(data)
        os.utime(tmp_path / "root" / name, ns=(0, 1_600_000_000_000_000_000))
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    return tmp_path / "root"


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """The URL of a web server for the folder above `folder`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder.parent))) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


@pytest.fixture(params=["http", "http with a slash", "file", "memory"])
def url(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param.startswith("http"):
        yield f"{request.getfixturevalue('server')}/root{'/' if 'slash' in request.param else ''}"
    elif request.param == "file":
        yield folder.as_uri()
    else:
        import fsspec

        memory = fsspec.filesystem("memory")
        for name, data in FILES.items():
            memory.pipe_file(f"/root/{name}", data)
        yield "memory://root"
        memory.rm("/root", recursive=True)


def test_every_file_below_a_url_comes_once_and_in_order(url: str) -> None:
    source = pickle.loads(pickle.dumps(open_source(url)))  # noqa: S301  # our own
    found = list(source)
    assert [one.name for one in found] == sorted(FILES)
    assert {one.name: one.skipped for one in found if one.skipped} == {".hidden/3.jpg": "hidden file"}
    for name in ("a.jpg", "a-b.jpg", "a/1.jpg", "a/deep/er/2.jpg"):
        assert source.read(name) == FILES[name]
    assert list(source) == found


def test_what_is_no_picture_says_why(url: str) -> None:
    source = open_source(url)
    assert isinstance(source, RemoteSource)
    assert reason(source, "empty.jpg") == "the file is empty (0 bytes)"
    assert reason(source, "gone.jpg") == "no such file"
    assert "copy it here first" in reason(source, "c.zip")
    assert "copy it here first" in reason(source, "d.mp4")


def test_a_url_of_one_file_is_that_file(url: str) -> None:
    source = open_source(f"{url.rstrip('/')}/a/1.jpg")
    assert [found.name for found in source] == ["1.jpg"]
    assert source.read("1.jpg") == b"a1"


def test_a_place_that_is_not_there_is_told(url: str) -> None:
    with pytest.raises(DataError, match="no such folder or file; check the address"):
        open_source(f"{url.rstrip('/')}/gone")


def test_size_and_time_come_from_the_listing(folder: Path) -> None:
    found = {one.name: one for one in open_source(folder.as_uri())}
    assert found["a/deep/er/2.jpg"] == Found("a/deep/er/2.jpg", 4, 1_600_000_000_000_000_000)


def test_a_web_page_has_names_as_they_stand_in_its_links(folder: Path, server: str) -> None:
    for name, data in ODD.items():
        (folder / "a" / name).write_bytes(data)
    source = open_source(f"{server}/root/a")
    contents = {found.name: source.read(found.name) for found in source}
    assert contents == {
        "1.jpg": b"a1",
        "deep/er/2.jpg": b"deep",
        "with%20blank%20%26%20%C3%A9%20%231%3F.jpg": b"odd",
        "100%2525.jpg": b"percent",
    }


def test_elsewhere_a_name_may_have_any_letters(folder: Path) -> None:
    for name, data in ODD.items():
        (folder / "a" / name).write_bytes(data)
    source = open_source((folder / "a").as_uri())
    assert {found.name: source.read(found.name) for found in source if found.name in ODD} == ODD


def test_links_that_are_no_files_of_the_folder_are_left_out(folder: Path, server: str) -> None:
    (folder / "index.html").write_text(
        """<a href="?C=N;O=D">Name</a> <a href="../">Up</a> <a href="/">Home</a> <a href="../outside.jpg">x</a>
        <a href="a.jpg">a</a> <a href="a/">folder</a> <a href="a/1.jpg">again</a> <a href="a.jpg">again</a>
        <a href="https://example.org/x.jpg">elsewhere</a> <a href="#top">top</a> <A HREF='./a-b.jpg'>b</A>"""
    )
    source = open_source(f"{server}/root/")
    names = [found.name for found in source]
    assert names == ["./a-b.jpg", "a.jpg", "a/1.jpg", "a/deep/er/2.jpg"]
    assert source.read("./a-b.jpg") == b"ab"


@pytest.mark.parametrize("kind", ["http", "file"])
def test_links_in_circles_end(tmp_path: Path, folder: Path, request: pytest.FixtureRequest, kind: str) -> None:
    (folder / "a" / "deep" / "up").symlink_to(folder / "a")
    url = f"{request.getfixturevalue('server')}/root/a/" if kind == "http" else (folder / "a").as_uri()
    found = list(open_source(url))
    assert len({one.name for one in found}) == len(found)
    assert found[0].name == "1.jpg"
    assert len(found) < 200


def test_forked_workers_read_too(server: str) -> None:
    source = open_source(f"{server}/root")
    names = ["a.jpg", "a-b.jpg", "a/1.jpg", "a/deep/er/2.jpg"] * 5
    assert source.read("a.jpg") == b"a"  # so that this process has a connection open
    with ProcessPoolExecutor(2, get_context("fork")) as processes:
        assert list(processes.map(source.read, names)) == [FILES[name] for name in names]


def test_a_server_that_does_not_answer_is_told() -> None:
    with pytest.raises(DataError, match="cannot be reached"):
        open_source("http://127.0.0.1:9/photos")


def test_a_server_that_went_away_is_no_empty_folder(folder: Path) -> None:
    source = open_source(folder.as_uri())
    folder.rename(folder.parent / "moved")
    with pytest.raises(DataError, match="cannot be listed"):
        list(source)
    assert reason(source, "a.jpg") == "no such file"  # type: ignore[arg-type]


def test_a_kind_of_url_that_nobody_knows_is_told() -> None:
    with pytest.raises(DataError, match="Protocol not known: nonsense"):
        open_source("nonsense://x/y")


@pytest.mark.parametrize("missing", ["fsspec.core", "s3fs"])
def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)  # how Python itself marks what cannot be imported
    with pytest.raises(UsageError, match=r"pip install 'bluebird\[remote\]'"):
        open_source("s3://bucket/photos")


def test_a_server_that_stops_answering_is_no_missing_file(folder: Path) -> None:
    handler = partial(_Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        source = open_source(f"http://127.0.0.1:{http.server_address[1]}/")
        http.shutdown()
        thread.join()
    assert isinstance(source, RemoteSource)
    assert reason(source, "a.jpg").startswith("cannot be fetched: ")
    with pytest.raises(DataError, match="cannot be listed"):
        list(source)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"mtime": 1.5}, 1_500_000_000),
        ({"LastModified": datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)}, 2_000_000_000),
        ({"updated": "1970-01-01T00:00:03Z"}, 3_000_000_000),
        ({"updated": "yesterday"}, 0),
        ({}, 0),
    ],
)
def test_time_is_understood_in_the_words_of_each_backend(info: dict[str, object], expected: int) -> None:
    assert _mtime_ns(info) == expected
