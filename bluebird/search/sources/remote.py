"""A folder on another machine as a source, through fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bluebird.errors import DataError, UnreadablePictureError, UsageError
from bluebird.pixels.walk import passes_hidden
from bluebird.search.found import Found
from bluebird.search.sources.disk import MAX_FILE_BYTES, is_link, not_empty, reason_of
from bluebird.search.sources.names import HIDDEN, UNLISTED, kind_of
from bluebird.search.sources.own import Own

_MAX_DEPTH = 64  # a link to a folder above looks, from outside, like folders without end
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")  # each backend has its own word
_EXTRA = "pip install 'bluebird[remote]'"
_Info = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """Every file below a URL, in code-point order of the names, which count from the URL down.

    Folders are listed one by one. Web servers must list theirs as a page of links; they tell neither size nor
    time, which are 0 then, so a picture that changed is not seen as changed. Archives and videos are not opened.

    Args:
        url: `s3://bucket/folder`, `https://host/folder` or whatever else fsspec knows.
        single: the name of the only file, where the URL was that of a file.
        exclude: what the search writes to, without links in the paths; passed over as `Own` tells it where the URL
            leads to this machine's own disk (`file://`).
    """

    url: str
    single: str = ""
    exclude: tuple[Path, ...] = ()

    def __iter__(self) -> Iterator[Found]:
        """
        Raises:
            DataError: the URL cannot be listed (any more).
        """
        filesystem, root = _connect(self.url)
        if self.single:
            yield _found(self.single, _info(filesystem, f"{root.rstrip('/')}/{self.single}", self.url))
            return
        own = self._own(filesystem, root)
        levels = [self._list(filesystem, own, root, "")]
        while levels:
            for item in levels[-1]:
                if isinstance(item, tuple):
                    levels.append(self._list(filesystem, own, *item))
                    break
                yield item
            else:
                levels.pop()

    def read(self, name: str) -> bytes:
        filesystem, root = _connect(self.url)
        if kind := kind_of(name):
            raise UnreadablePictureError(name, f"{kind} on another machine, where none is opened; copy it here first")
        path = f"{root.rstrip('/')}/{name}"
        try:
            if self.url.startswith("http"):  # the size of all others was seen in their listing
                _check_size(filesystem.info(path), name)
            data = filesystem.cat_file(path)
        except UnreadablePictureError:
            raise
        except Exception as error:  # every backend has its own
            trouble = _trouble(error)
            reason = f"cannot be fetched: {trouble}" if trouble else "no such file"
            raise UnreadablePictureError(name, reason) from None
        return not_empty(data, name)

    def _own(self, filesystem: Any, root: str) -> Own | None:
        """What to pass over; None where nothing of it can be."""
        from fsspec.implementations.local import LocalFileSystem

        return Own(self.exclude, Path(root).resolve()) if isinstance(filesystem, LocalFileSystem) else None

    def _list(self, filesystem: Any, own: Own | None, path: str, name: str) -> Iterator[Found | tuple[str, str]]:
        """The files of one folder, and path and name of the folders in it."""
        if name.count("/") > _MAX_DEPTH:
            yield Found(name, 0, 0, f"more than {_MAX_DEPTH} folders deep: perhaps a circle of links")
            return
        try:
            entries = _children(filesystem.ls(path, detail=True), path)
        except Exception as error:
            if not name:
                raise DataError(f"{self.url!r}: cannot be listed ({reason_of(error)}); check the address") from None
            yield Found(name, 0, 0, f"{UNLISTED}: {reason_of(error)}")
            return
        for child, info in entries:
            if own and _is_own(own, info["name"], is_folder=child.endswith("/")):
                continue
            yield (info["name"], name + child) if child.endswith("/") else _found(name + child, info)


def open_remote(url: str, exclude: tuple[Path, ...] = ()) -> RemoteSource:
    """The source for a URL, after one question to the other side; `exclude` as in `RemoteSource`.

    Raises:
        UsageError: fsspec, or what it needs for this kind of URL, is not installed.
        DataError: nothing is there, or nobody answers.
    """
    filesystem, root = _connect(url)
    info = _info(filesystem, root, url)
    if info["type"] == "directory" or info.get("mimetype") == "text/html":  # a web server's page of links
        return RemoteSource(url, exclude=exclude)
    folder, _, single = url.rstrip("/").rpartition("/")
    return RemoteSource(folder, single, exclude)


def _connect(url: str) -> tuple[Any, str]:
    """fsspec's file system, which it keeps for each process, and the root in its words."""
    try:
        from fsspec.core import url_to_fs

        filesystem, root = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise UsageError(f"{url!r}: needs a library that is not installed ({reason_of(error)}); {_EXTRA}") from None
    except Exception as error:
        raise DataError(f"{url!r}: cannot be opened ({reason_of(error)}); check the address") from None
    return filesystem, root


def _info(filesystem: Any, path: str, url: str) -> _Info:
    try:
        info: _Info = filesystem.info(path)
    except Exception as error:
        trouble = _trouble(error)
        problem = f"cannot be reached ({trouble})" if trouble else "no such folder or file"
        raise DataError(f"{url!r}: {problem}; check the address") from None
    return info


def _trouble(error: Exception) -> str:
    """What stands in the way; empty where simply nothing is there."""
    if not isinstance(error, FileNotFoundError):
        return reason_of(error)
    cause = error.__cause__  # of web servers fsspec says that nothing is there, whatever the trouble is
    is_refused = getattr(cause, "status", 404) != 404
    is_unreachable = isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)
    return reason_of(cause) if cause and (is_refused or is_unreachable) else ""


def _children(infos: list[_Info], path: str) -> Iterator[tuple[str, _Info]]:
    """Names below `path`, folders with a slash at their end, in order, each once."""
    base = path.rstrip("/") + "/"
    names = {
        info["name"].removeprefix(base).rstrip("/") + ("/" if info["type"] == "directory" else ""): info
        for info in infos
        if info["name"].startswith(base)
    }
    is_page = path.startswith("http")
    folder = "/"
    for name in sorted(names):
        if name.startswith(folder) or (is_page and _leads_away(name)):
            continue  # a page may link to what lies in a folder that is listed anyway
        folder = name if name.endswith("/") else folder
        if name:
            yield name, names[name]


def _is_own(own: Own, path: str, *, is_folder: bool) -> bool:
    return own.has_folder(os.path.realpath(path)) if is_folder else own.has_file(path, is_link=is_link(Path(path)))


def _leads_away(link: str) -> bool:
    """Whether a link on a page is one to sort it by, to a place on it, or to a folder above."""
    return "?" in link or "#" in link or not {"", ".."}.isdisjoint(link.rstrip("/").split("/"))


def _found(name: str, info: _Info) -> Found:
    size = info.get("size") or 0
    if size > MAX_FILE_BYTES:
        return Found(name, size, _mtime_ns(info), "more than the limit of 2 GiB")
    return Found(name, size, _mtime_ns(info), HIDDEN if passes_hidden(name) else "")


def _mtime_ns(info: _Info) -> int:
    """Time of the last change by whatever name and in whatever form the backend has it; 0 where it has none."""
    value = next((info[key] for key in _TIMES if info.get(key)), 0)
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return int((moment.timestamp() if isinstance(moment, datetime) else moment) * 1_000_000_000)
    except (ValueError, TypeError):
        return 0


def _check_size(info: _Info, name: str) -> None:
    if (info.get("size") or 0) > MAX_FILE_BYTES:
        raise UnreadablePictureError(name, "more than the limit of 2 GiB")
