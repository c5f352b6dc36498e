"""A folder of finds to collect from."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bluebird.errors import UnreadablePictureError
from bluebird.search.found import Found
from bluebird.search.results import Failure, Find, How, Outcome, collect
from tests.search.results.example import jpeg


class Members:
    """A source that knows the members of zip archives, and one frame of a film."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __iter__(self) -> Iterator[Found]:
        return iter(())

    def read(self, name: str) -> bytes:
        if "#t=" in name:
            return jpeg()
        archive, mark, member = name.partition("!")
        if not mark:
            raise UnreadablePictureError(name, "no such file")
        return zipfile.ZipFile(self.root / archive).read(member)


class Place:
    """A folder of finds, and what a person sees of the collecting."""

    def __init__(self, base: Path) -> None:
        self.root, self.folder = base / "root", base / "collected"
        self.root.mkdir()
        self.failures: list[Failure] = []

    def put(self, name: str, data: bytes) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return file

    def collect(self, finds: Sequence[Find], how: How = "copy", **more: Any) -> Counter[Outcome]:
        return collect(finds, Members(self.root), self.root, self.folder, how, self.failures.append, **more)

    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}
