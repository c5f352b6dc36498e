from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from bluebird.errors import OutputError, UsageError
from bluebird.search.results import Failure, Find, Results, write_csv, write_failures, write_jsonl, write_parquet
from tests.search.results.example import CLASSES, find, results

FINDS = [
    find(1, 'in/a "1",\n.jpg', 0.8, taken="2024-05-12T06:14:09"),
    find(1, "b\udcff.jpg", 0.75, leader='in/a "1",\n.jpg'),
    Find(2, "z.zip!x.jpg", 0.25, 1.0, (0.25, 0.25, 0.3, 0.2), 10, 20),
]


def _rows(table: Path) -> list[list[str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_csv_file_has_a_row_for_each_find_with_its_three_best_classes(tmp_path: Path) -> None:
    write_csv(results(FINDS), tmp_path / "finds.csv")
    top = ["class_1", "prob_1", "class_2", "prob_2", "class_3", "prob_3"]
    assert _rows(tmp_path / "finds.csv") == [
        ["rank", "path", "score", "novelty", "leader", "taken", "width", "height", *top],
        ["1", 'in/a "1",\n.jpg', "0.800000", "0.250000", "", "2024-05-12T06:14:09", "640", "480",
         "bluebird", "0.800000", "blue jay", "0.120000", "wren", "0.060000"],
        ["1", r"b\udcff.jpg", "0.750000", "0.250000", 'in/a "1",\n.jpg', "", "640", "480",
         "bluebird", "0.750000", "blue jay", "0.150000", "wren", "0.075000"],
        ["2", "z.zip!x.jpg", "0.250000", "1.000000", "", "", "10", "20",
         "wren", "0.300000", "bluebird", "0.250000", "blue jay", "0.250000"],
    ]  # fmt: skip


def test_two_classes_make_two_pairs_of_columns(tmp_path: Path) -> None:
    one = Find(1, "a.jpg", 0.75, 0.0, (0.75, 0.25), 1, 1)
    write_csv(results([one], classes=("bluebird", "none")), tmp_path / "finds.csv")
    header, row = _rows(tmp_path / "finds.csv")
    assert header[8:] == ["class_1", "prob_1", "class_2", "prob_2"]
    assert row[8:] == ["bluebird", "0.750000", "none", "0.250000"]


def test_the_jsonl_file_has_all_probabilities_by_class(tmp_path: Path) -> None:
    write_jsonl(results(FINDS), tmp_path / "finds.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "finds.jsonl").read_text("ascii").splitlines()]
    assert [line["path"] for line in lines] == ['in/a "1",\n.jpg', r"b\udcff.jpg", "z.zip!x.jpg"]
    assert lines[2] == {
        **{"rank": 2, "path": "z.zip!x.jpg", "score": 0.25, "novelty": 1.0, "leader": "", "taken": ""},
        **{"width": 10, "height": 20},
        "probs": {"bluebird": 0.25, "blue jay": 0.25, "wren": 0.3, "owl": 0.2},
    }


def test_the_parquet_file_has_the_columns_of_the_csv_file_and_all_probabilities(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="no pyarrow: pip install 'bluebird[parquet]'")
    write_csv(results(FINDS), tmp_path / "finds.csv")
    write_parquet(results(FINDS), tmp_path / "finds.parquet")
    rows = parquet.read_table(tmp_path / "finds.parquet").to_pylist()
    header, *expected = _rows(tmp_path / "finds.csv")
    assert [[*row][:-1] for row in rows] == [header] * 3
    for row, texts in zip(rows, expected, strict=True):
        assert [f"{v:.6f}" if isinstance(v, float) else str(v) for v in row.values()][:-1] == texts
    assert rows[2]["probs"] == pytest.approx(dict(zip(CLASSES, FINDS[2].probs, strict=True)), abs=1e-6)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'bluebird\[parquet\]'"):
        write_parquet(results(FINDS), tmp_path / "finds.parquet")


def test_every_file_without_a_score_is_named_with_its_reason(tmp_path: Path) -> None:
    failures = [
        Failure("a\udcff.jpg", "the file is empty (0 bytes)", "failed"),
        Failure(".b", "hidden file", "skipped"),
    ]
    write_failures(results([], failures), tmp_path / "failures.csv")
    assert _rows(tmp_path / "failures.csv") == [
        ["path", "status", "reason"],
        [r"a\udcff.jpg", "failed", "the file is empty (0 bytes)"],
        [".b", "skipped", "hidden file"],
    ]


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])
def test_an_empty_search_is_an_empty_table(tmp_path: Path, write: Callable[[Results, Path], None]) -> None:
    if write is write_parquet:
        pytest.importorskip("pyarrow", reason="no pyarrow: pip install 'bluebird[parquet]'")
    write(results([]), tmp_path / "table")
    assert (tmp_path / "table").exists()


class _Counted(Find):
    """A find that knows how many of its kind are held at once."""

    alive = most = 0
    __slots__: ClassVar[tuple[str, ...]] = ()

    def __del__(self) -> None:
        _Counted.alive -= 1


def counted(count: int) -> Iterator[Find]:
    _Counted.alive = _Counted.most = 0
    for rank in range(1, count + 1):
        _Counted.alive += 1
        _Counted.most = max(_Counted.most, _Counted.alive)
        yield _Counted(rank, f"{rank}.jpg", 0.1, 0.0, (0.1, 0.2, 0.3, 0.4), 1, 1)


@pytest.mark.parametrize(("write", "most"), [(write_csv, 3), (write_jsonl, 3), (write_parquet, 5002)])
def test_no_table_holds_all_rows(tmp_path: Path, write: Callable[[Results, Path], None], most: int) -> None:
    if write is write_parquet:
        pytest.importorskip("pyarrow", reason="no pyarrow: pip install 'bluebird[parquet]'")
    write(replace(results([]), finds=lambda: counted(most + 2000)), tmp_path / "table")
    assert _Counted.most <= most


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def breaking() -> Iterator[Find]:
        yield from FINDS
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_csv(replace(results(FINDS), finds=breaking), tmp_path / "finds.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    (tmp_path / "finds.csv.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"finds\.csv': cannot be written \(No space left on device"):
        write_csv(results(FINDS), tmp_path / "finds.csv")
