"""Sources around a folder for real worker processes: one notes who reads what, one loses files, one
stalls.

They stand in a file of their own, for a worker imports it: without pytest and torch it starts at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bluebird.search.found import Found
from bluebird.search.sources.folder import FolderSource


@dataclass
class Noted:
    """Notes `PROCESS NAME` for each read, whichever process it is in."""

    folder: Path
    notes: Path

    def __iter__(self) -> Iterator[Found]:
        return iter(FolderSource(self.folder, 1.0))

    def read(self, name: str) -> bytes:
        line = f"{os.getpid()} {name}\0".encode("utf-8", "surrogateescape")
        descriptor = os.open(self.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, line)
        os.close(descriptor)
        return FolderSource(self.folder, 1.0).read(name)

    def readers(self) -> dict[str, list[int]]:
        """For each name, the processes that read it since the last call."""
        found: dict[str, list[int]] = {}
        if self.notes.exists():
            for note in self.notes.read_text(errors="surrogateescape").split("\0")[:-1]:
                process, name = note.split(" ", 1)
                found.setdefault(name, []).append(int(process))
            self.notes.unlink()
        return found


@dataclass
class Vanishing(Noted):
    """Deletes the files of these names as soon as it has listed the folder."""

    names: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Found]:
        listed = list(FolderSource(self.folder, 1.0))
        for name in self.names:
            (self.folder / name).unlink(missing_ok=True)
        return iter(listed)


@dataclass
class Stalling(Noted):
    """Never comes to the end of reading the files of these names."""

    names: tuple[str, ...] = ()

    def read(self, name: str) -> bytes:
        if name in self.names:
            time.sleep(1000)
        return super().read(name)
