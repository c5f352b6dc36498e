"""Predictions as a table that other tools open."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bluebird.errors import OutputError
from bluebird.search.scan import Prediction


def write_predictions(
    predictions: Iterable[Prediction], table: Path, root: Path, classes: Sequence[str], top_k: int = 3
) -> None:
    """Write one CSV row for each prediction as it comes: path,class_1,prob_1,...,error.

    Args:
        predictions: taken one by one; none is kept.
        table: the CSV file, UTF-8; bytes of a path that are no UTF-8 are written as ``\\udcNN``.
        root: paths are written from here down, with forward slashes.
        classes: K class names in the order of the probabilities.
        top_k: how many of them go into a row, best first; at most K do.

    Raises:
        OutputError: the table cannot be written; the rows before stay.
    """
    top_k = min(top_k, len(classes))
    header = [
        "path",
        *(f"{what}_{rank}" for rank in range(1, top_k + 1) for what in ("class", "prob")),
        "error",
    ]
    try:
        table.parent.mkdir(parents=True, exist_ok=True)
        with table.open("w", newline="", encoding="utf-8", errors="backslashreplace", buffering=1) as file:
            rows = csv.writer(file)
            rows.writerow(header)
            for prediction in predictions:
                rows.writerow(_row(prediction, root, classes, top_k))
    except OSError as error:
        raise OutputError(f"{str(table)!r}: cannot be written ({error.strerror or error})") from error


def _row(prediction: Prediction, root: Path, classes: Sequence[str], top_k: int) -> Iterator[str]:
    yield prediction.path.relative_to(root).as_posix()
    if prediction.probs is None:
        yield from [""] * (2 * top_k)
    else:
        # a stable order, so that equal probabilities come in the order of the classes
        probs, indices = prediction.probs.sort(descending=True, stable=True)
        for prob, index in zip(probs[:top_k].tolist(), indices[:top_k].tolist(), strict=True):
            yield from (classes[index], f"{prob:.6f}")
    yield prediction.error or ""
