"""Finds as tables: CSV for a person, JSON Lines for a program, Parquet for a data frame.

Each is written row by row and holds every scored picture, best first. Names are written by `printable`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bluebird.errors import UsageError
from bluebird.files import whole
from bluebird.search.names import printable
from bluebird.search.results.find import Find, Results, best_classes

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = ("rank", "path", "score", "novelty", "leader", "taken", "width", "height")
_TOP = 3
_ROWS_IN_A_GROUP = 5000


def write_csv(results: Results, path: Path) -> None:
    """Write rank,path,score,novelty,leader,taken,width,height,class_1,prob_1 ... class_3,prob_3.

    Raises:
        OutputError: it cannot be written.
    """
    classes = [printable(name) for name in results.classes]
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*_COLUMNS, *_top_columns(len(classes))])
        rows.writerows(_csv_row(find, classes) for find in results.finds())


def write_failures(results: Results, path: Path) -> None:
    """Write path,status,reason for every file that has no score.

    Raises:
        OutputError: it cannot be written.
    """
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "status", "reason"])
        rows.writerows([printable(f.name), f.status, printable(f.reason)] for f in results.failures())


def write_jsonl(results: Results, path: Path) -> None:
    """Write one JSON object a line: the columns of the CSV file, and `probs`, all probabilities by class.

    Raises:
        OutputError: it cannot be written.
    """
    classes = [printable(name) for name in results.classes]
    with whole(path) as part, part.open("w", encoding="ascii") as file:
        for find in results.finds():
            probs = (round(prob, 6) for prob in find.probs)
            row = dict(zip(_COLUMNS, _values(find), strict=True)) | {"probs": dict(zip(classes, probs, strict=True))}
            file.write(json.dumps(row, allow_nan=False) + "\n")


def write_parquet(results: Results, path: Path) -> None:
    """Write the columns of the CSV file, and `probs`, a struct of all probabilities by class, float32.

    Raises:
        UsageError: pyarrow is not installed.
        OutputError: it cannot be written.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError("Parquet needs another library: pip install 'bluebird[parquet]'") from None
    classes = [printable(name) for name in results.classes]
    schema = _schema(classes)
    finds = results.finds()
    with whole(path) as part, part.open("wb") as file, pq.ParquetWriter(file, schema) as writer:
        while (group := _row_group(islice(finds, _ROWS_IN_A_GROUP), classes, schema)).num_rows:
            writer.write_table(group)


def _row_group(finds: Iterator[Find], classes: list[str], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    rows = list(finds)
    if not rows:
        return schema.empty_table()
    columns = zip(*(_parquet_row(find, classes) for find in rows), strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=False)]
    probs = zip(*(find.probs for find in rows), strict=True)
    struct = pa.StructArray.from_arrays([pa.array(prob, pa.float32()) for prob in probs], classes)
    return pa.Table.from_arrays([*arrays, struct], schema=schema)


def _schema(classes: list[str]) -> pa.Schema:
    import pyarrow as pa

    types = (pa.int64(), pa.string(), pa.float32(), pa.float32(), pa.string(), pa.string(), pa.int32(), pa.int32())
    top = [(column, (pa.string(), pa.float32())[i % 2]) for i, column in enumerate(_top_columns(len(classes)))]
    probs = pa.struct([(name, pa.float32()) for name in classes])
    return pa.schema([*zip(_COLUMNS, types, strict=True), *top, ("probs", probs)])


def _values(find: Find) -> Iterator[Any]:
    """What stands under `_COLUMNS`."""
    yield from (find.rank, printable(find.name), round(find.score, 6), round(find.novelty, 6))
    yield from (printable(find.leader), printable(find.taken), find.width, find.height)


def _top_columns(num_classes: int) -> list[str]:
    return [f"{what}_{place + 1}" for place in range(min(_TOP, num_classes)) for what in ("class", "prob")]


def _csv_row(find: Find, classes: list[str]) -> Iterator[str]:
    for value in _values(find):
        yield f"{value:.6f}" if isinstance(value, float) else str(value)
    for index in best_classes(find.probs, _TOP):
        yield from (classes[index], f"{find.probs[index]:.6f}")


def _parquet_row(find: Find, classes: list[str]) -> Iterator[Any]:
    yield from _values(find)
    for index in best_classes(find.probs, _TOP):
        yield from (classes[index], find.probs[index])
