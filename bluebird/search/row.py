"""What a ledger keeps of one file, and of all together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["scored", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one file; fields as in `schema.sql`, `probs` as K float32 bytes."""

    name: str
    size: int
    mtime_ns: int
    status: Status
    reason: str = ""
    digest: bytes = b""
    width: int = 0
    height: int = 0
    orientation: int = 1
    taken: str = ""
    dhash: int = 0
    probs: bytes | None = None
    score: float | None = None
    novelty: float | None = None
    embedding: bytes | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Files that are there now, by what became of them, and those that have gone."""

    scored: int = 0
    failed: int = 0
    skipped: int = 0
    gone: int = 0

    @property
    def found(self) -> int:
        return self.scored + self.failed + self.skipped
