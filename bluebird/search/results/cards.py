"""What the WANTED page tells of a find, and in which of its sections a find belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote_from_bytes

from bluebird.search.names import printable
from bluebird.search.results.find import Find, Results, best_classes

Section = Literal["finds", "lookalikes"]

CLOSE = 0.2
"""A target that leads the next class by less than this won narrowly."""

POSSIBLE = 0.05
"""The least score of a look-alike; below it a picture shows something else."""

NOVEL = 0.9
"""From here on a find bears the badge "unlike anything it was trained on"."""

_TOP = 3


def section(find: Find, targets: frozenset[int]) -> Section | None:
    """Where a find is shown: where the target is clear, where it is one of two, or not at all.

    Args:
        find: any find.
        targets: the indices of the target's classes.
    """
    other = max((prob for index, prob in enumerate(find.probs) if index not in targets), default=0.0)
    if find.score - other >= CLOSE:
        return "finds"
    second = sum(prob > find.score for index, prob in enumerate(find.probs) if index not in targets) <= 1
    return "lookalikes" if second and find.score >= POSSIBLE else None


def card(find: Find, results: Results) -> dict[str, Any]:
    """The find as the page's script wants it; all strings are printable."""
    return {
        "rank": find.rank,
        "path": printable(find.name),
        "score": round(find.score, 6),
        "novelty": round(find.novelty, 4),
        "top": [[index, round(find.probs[index], 6)] for index in best_classes(find.probs, _TOP)],
        "size": [find.width, find.height],
        "taken": printable(find.taken),
        "href": address(Path(results.root) / find.name),
    }


def address(path: Path) -> str:
    """A link to a plain file on this machine; empty for what lies inside another file or on another machine."""
    try:
        plain = path.is_file()
    except (OSError, ValueError):
        return ""
    return "file://" + quote_from_bytes(bytes(path.absolute())) if plain else ""
