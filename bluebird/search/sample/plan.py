"""How a sample was drawn, kept beside it: without that, labels are worth nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bluebird.errors import DataError, UsageError
from bluebird.files import write_whole
from bluebird.search.sample.scored import Scored

_FORMAT = "bluebird-sample-1"
_KINDS = {"target": list, "model": str, "seed": int, "scored": int, "digest": str, "best": list, "drawn": list}


@dataclass(frozen=True)
class Plan:
    """The best pictures of a search, all to be looked at, and some of the rest, drawn by lot.

    Args:
        target, model, digest: of the search, as `Scored` has them.
        seed: of the lot.
        scored: how many pictures had a score.
        best: their paths, best first.
        drawn: paths of the drawn ones, in the random order in which they were drawn.
    """

    target: list[str]
    model: str
    digest: str
    seed: int
    scored: int
    best: list[str]
    drawn: list[str]

    @property
    def rest(self) -> int:
        """How many pictures `drawn` was drawn from."""
        return self.scored - len(self.best)

    def check(self, scored: Scored) -> None:
        """Raises `UsageError` where the search is no longer the one that was drawn from."""
        seen = (scored.model, list(scored.target), scored.digest)
        if seen != (self.model, self.target, self.digest):
            raise UsageError(
                f"{str(scored.ledger)!r}: model, target, pictures or scores are no longer those that the sample was "
                f"drawn from ({self.scored:,} pictures then, {len(scored.scores):,} now); draw again"
            )


def write_plan(plan: Plan, path: Path) -> None:
    """Write it as JSON, with its sizes in plain sight.

    Raises:
        OutputError: it cannot be written.
    """
    sizes = {"format": _FORMAT, "top": len(plan.best), "sample": len(plan.drawn), "rest": plan.rest}
    write_whole(path, (json.dumps(sizes | asdict(plan), indent=1) + "\n").encode("ascii"))


def read_plan(path: Path) -> Plan:
    """The reverse of `write_plan`.

    Raises:
        DataError: it is not there, cannot be read or is something else.
    """
    try:
        kept = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{str(path)!r}: cannot be read ({error.strerror}); draw a sample first, with --draw") from None
    except ValueError:
        kept = None
    fits = isinstance(kept, dict) and all(isinstance(kept.get(key), kind) for key, kind in _KINDS.items())
    if not fits or kept.get("format") != _FORMAT:
        raise DataError(f"{str(path)!r}: not the plan of a sample, or damaged; draw again")
    return Plan(**{key: kept[key] for key in _KINDS})
