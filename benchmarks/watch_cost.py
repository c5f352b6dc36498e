"""What it costs to watch the search for one bird while a network trains.

    python benchmarks/watch_cost.py [OPTIONS OF bluebird train]

One training (by default the CNN on painted birds) under a clock: how long fitting took, and how long the curves of each
validation, and the figures, the mistakes and the projector at the end.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import lightning as L

from bluebird.cli import main
from bluebird.report.board import Board
from bluebird.watch.curves import SearchCurves

SPENT: dict[str, float] = defaultdict(float)


def clocked(owner: type, method: str, name: str) -> None:
    inner: Callable[..., Any] = getattr(owner, method)

    def outer(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            SPENT[name] += time.perf_counter() - start

    setattr(owner, method, outer)


def measure(arguments: list[str]) -> None:
    clocked(L.Trainer, "fit", "fit")
    clocked(SearchCurves, "on_validation_epoch_end", "curves")
    clocked(Board, "show", "board")
    with tempfile.TemporaryDirectory() as folder:
        if main(["train", *arguments, "--runs_dir", folder]):
            sys.exit(2)
    for name, what in (("curves", "curves at each validation"), ("board", "figures, mistakes, projector at the end")):
        print(f"{what:<42} {SPENT[name]:7.2f} s   {SPENT[name] / SPENT['fit']:6.2%} of {SPENT['fit']:.1f} s of fitting")


if __name__ == "__main__":
    configs = str(Path(__file__).resolve().parents[1] / "configs" / "cnn.yaml")
    measure(sys.argv[1:] or ["--config", configs])
