from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bluebird.bundle import Bundle, Preprocessing
from bluebird.engines.engine import Engine
from bluebird.engines.native import Torch
from bluebird.errors import DataError
from bluebird.nets import CNN
from bluebird.pixels.decode import decode
from bluebird.pixels.squeeze import squeeze
from bluebird.search.batch_size import BatchSize
from bluebird.search.found import Source
from bluebird.search.ledger import Ledger
from bluebird.search.pool import DecodePool
from bluebird.search.rank import rank
from bluebird.search.results import Results
from bluebird.search.row import Row
from bluebird.search.scan import Scan
from tests.search.ledgers import change
from tests.search.sources_that_tell import Noted, Stalling, Vanishing

SIZE = 16
CLASSES = ("a", "b", "c")
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
TABLE = """SELECT path, size, mtime_ns, status, reason, digest, width, height, orientation, taken, dhash, probs,
           novelty, embedding, gone, score FROM pictures LEFT JOIN scores USING (id) ORDER BY path"""


def _model(seed: int = 0) -> Bundle:
    torch.manual_seed(seed)
    network = CNN(3, SIZE, stem=4, widths=[8], blocks=[1]).eval()
    return Bundle(network, CLASSES, Preprocessing(SIZE, MEAN, STD), familiarity=[n / 50 for n in range(101)])


MODEL = _model()


def paint(path: Path, number: int) -> Path:
    """A picture of its own, of soft spots."""
    rng = np.random.default_rng(number)
    spots = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    spots.resize((40 + number % 9, 30), Image.Resampling.BICUBIC).save(path, "PNG")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scan")


@pytest.fixture(scope="module")
def pool(place: Path) -> Iterator[DecodePool]:
    """One for all tests, as it takes a while to start: they all search the same place."""
    with DecodePool(Noted(place / "in", place / "notes"), SIZE) as pool:
        yield pool


@pytest.fixture
def folder(place: Path) -> Iterator[Path]:
    """30 pictures in two folders."""
    for number in range(30):
        paint(place / "in" / f"{number % 2}" / f"{number:02d}.png", number)
    yield place / "in"
    shutil.rmtree(place / "in")
    (place / "notes").unlink(missing_ok=True)


@pytest.fixture
def source(folder: Path, place: Path) -> Noted:
    return Noted(folder, place / "notes")


@dataclass
class Run:
    """What came of one run."""

    gone: int = 0
    results: Results | None = None
    table: list[tuple[Any, ...]] = field(default_factory=list)
    ranking: list[tuple[int, str, str]] = field(default_factory=list)
    written: list[Row] = field(default_factory=list)
    unchanged: int = 0
    stop_after: int = 10**9

    def note(self, rows: Sequence[Row], unchanged: int) -> None:
        self.written += rows
        self.unchanged += unchanged
        if len(self.written) >= self.stop_after:
            raise KeyboardInterrupt

    @property
    def statuses(self) -> dict[str, str]:
        return {row.name: row.status for row in self.written}


Scanned = Callable[..., Run]


@pytest.fixture
def scan(pool: DecodePool, source: Noted, tmp_path: Path) -> Scanned:
    """Scans `source` into a ledger in the folder `out`."""

    def run(out: str = "out", model: Bundle = MODEL, *, batch_size: int = 8, source: Source = source,
            pool: DecodePool = pool, stop_after: int = 10**9, **more: bool) -> Run:  # fmt: skip
        run = Run(stop_after=stop_after)
        with Ledger(tmp_path / out, "root", model.fingerprint, CLASSES) as ledger:
            ledger.aim(["b"])
            engine = Engine(Torch(model), model.familiarity)
            scan = Scan(source, ledger, pool, engine, batch_size=BatchSize(batch_size), progress=run.note, **more)
            run.gone = scan.run()
            run.results = rank(ledger, ["b"])
            run.ranking = [(find.rank, find.name, find.leader) for find in run.results.finds()]
            run.table = ledger.db.execute(TABLE).fetchall()
        return run

    return run


def test_a_row_is_what_the_network_says_of_the_file(scan: Scanned, folder: Path) -> None:
    run = scan()
    assert sorted(run.statuses) == sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))
    for row in run.written:
        path = folder / row.name
        pixels = squeeze(decode(path), SIZE) / 255
        images = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
        expected = MODEL.network(images[None])[0].detach().numpy()
        assert row.probs is not None
        np.testing.assert_allclose(np.frombuffer(row.probs, "<f4"), expected, atol=2e-3)  # a grey level of rounding
        assert row.score == float(np.frombuffer(row.probs, "<f4")[1])
        assert (row.size, row.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
        assert row.digest == hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
        with Image.open(path) as image:
            assert (row.width, row.height) == image.size
        assert row.novelty is not None
        assert 0 <= row.novelty <= 1


def test_files_found_are_scored_and_failed_and_skipped(scan: Scanned, source: Noted, folder: Path) -> None:
    (folder / "notes.txt").write_text("no picture")
    (folder / "empty.jpg").touch()
    (folder / "half.png").write_bytes((folder / "0" / "00.png").read_bytes()[:200])
    (folder / "dangling.jpg").symlink_to("nowhere")
    (folder / "x.jpg").mkdir()
    paint(folder / "x.jpg" / "inside.png", 99)
    (folder / os.fsdecode(b"odd \xff\n.png")).write_text("no picture either")
    os.mkfifo(folder / "pipe.jpg")
    for hidden in (".hidden.png", "Thumbs.db", ".cache/00.png"):
        paint(folder / hidden, 98)
    run = scan()
    files = [Path(at) / name for at, _, names in os.walk(folder) for name in names]
    assert sorted(run.statuses) == sorted(str(file.relative_to(folder)) for file in files)
    assert len(run.written) == len(files) == 40
    assert run.results is not None
    assert (run.results.scored, run.results.failed, run.results.skipped) == (31, 6, 3)
    assert all(bool(row.reason) == (row.status != "scored") == (row.probs is None) for row in run.written)
    assert {row.reason for row in run.written if row.status == "skipped"} == {"hidden file"}
    assert not {name for name in source.readers() if "hidden" in name or ".cache" in name or "Thumbs" in name}


def test_a_second_run_reads_nothing_and_says_the_same(scan: Scanned, source: Noted, folder: Path) -> None:
    (folder / "broken.jpg").write_text("no picture")
    first = scan()
    assert {len(processes) for processes in source.readers().values()} == {1}
    second = scan()
    assert source.readers() == {}
    assert (second.written, second.unchanged, second.gone) == ([], 31, 0)
    assert (second.table, second.ranking) == (first.table, first.ranking)


def test_a_failed_file_is_tried_again_on_request_only(scan: Scanned, source: Noted, folder: Path) -> None:
    (folder / "broken.jpg").write_text("no picture")
    scan()
    source.readers()
    again = scan(retry_failed=True)
    assert set(source.readers()) == set(again.statuses) == {"broken.jpg"}


def test_what_is_new_or_changed_is_scored_and_what_has_gone_is_marked(
    scan: Scanned, source: Noted, folder: Path
) -> None:
    scan()
    source.readers()
    paint(folder / "2" / "new.png", 100)
    paint(folder / "1" / "01.png", 101)
    (folder / "0" / "00.png").unlink()
    run = scan()
    assert set(source.readers()) == set(run.statuses) == {"2/new.png", "1/01.png"}
    assert (run.unchanged, run.gone) == (28, 1)
    assert {row[0] for row in run.table if row[-2]} == {"0/00.png"}
    names = {name for _, name, _ in run.ranking}
    assert "0/00.png" not in names
    assert names >= {"2/new.png", "1/01.png"}
    anew = scan("anew")
    assert run.ranking == anew.ranking
    paint(folder / "0" / "00.png", 0)
    back = scan()
    assert not any(row[-2] for row in back.table)


def test_a_moved_or_copied_or_touched_file_is_read_once_by_a_worker_and_known_by_its_content(
    scan: Scanned, source: Noted, folder: Path, tmp_path: Path
) -> None:
    scan()
    change(tmp_path / "out", "UPDATE pictures SET novelty = novelty + 2")  # as no network would say
    first = scan()
    source.readers()
    (folder / "0" / "00.png").rename(folder / "moved.png")
    shutil.copyfile(folder / "1" / "01.png", folder / "copied.png")
    os.utime(folder / "1" / "03.png", ns=(1, 10**18))
    second = scan()
    readers = source.readers()
    assert {name: len(processes) for name, processes in readers.items()} == dict.fromkeys(second.statuses, 1)
    assert set(readers) == {"moved.png", "copied.png", "1/03.png"}
    assert os.getpid() not in {process for processes in readers.values() for process in processes}
    assert second.gone == 1
    old, new = ({row[0]: row for row in run.table} for run in (first, second))
    for name, origin in (("moved.png", "0/00.png"), ("copied.png", "1/01.png"), ("1/03.png", "1/03.png")):
        assert new[name][3:-2] == old[origin][3:-2]
        assert (new[name][-1], new[name][-2]) == (old[origin][-1], 0)
    assert new["1/03.png"][2] == 10**18


def test_of_a_batch_only_what_is_not_known_is_asked_about(scan: Scanned, folder: Path) -> None:
    scan()
    for number in range(8):
        (folder / f"{number % 2}" / f"{number:02d}.png").rename(folder / f"{2 * number:02d}.png")
        paint(folder / f"{2 * number + 1:02d}.png", 300 + number)
    (folder / "05b.png").write_text("no picture")
    run, anew = scan(), scan("anew")
    assert len(run.written) == 17
    assert [row[:-2] for row in run.table if not row[-2]] == [row[:-2] for row in anew.table]


def test_a_new_file_of_a_known_size_that_stalls_whoever_reads_it_costs_itself_alone(
    scan: Scanned, source: Noted, folder: Path
) -> None:
    scan()
    shutil.copyfile(folder / "0" / "00.png", folder / "stalls.png")
    stalling = Stalling(folder, source.notes, ("stalls.png",))
    with DecodePool(stalling, SIZE, 1, timeout_seconds=0.5) as pool:
        run = scan(source=stalling, pool=pool)
    assert [(row.name, row.status, row.reason) for row in run.written] == [
        ("stalls.png", "failed", "gave up after 0.5 s")
    ]


def test_a_new_file_of_a_known_size_but_other_content_is_scored_for_itself(
    scan: Scanned, folder: Path, tmp_path: Path
) -> None:
    first = scan()
    data = bytearray((folder / "0" / "00.png").read_bytes())
    Image.new("RGB", (8, 8)).save(tmp_path / "small.png")
    other = (tmp_path / "small.png").read_bytes()
    (folder / "other.png").write_bytes(other + bytes(len(data) - len(other)))  # Pillow ignores what follows
    run = scan()
    assert run.statuses == {"other.png": "scored"}
    known = {row[0]: row for row in first.table}
    assert run.written[0].probs != known["0/00.png"][11]


def test_another_model_scores_everything_anew(scan: Scanned, folder: Path) -> None:
    (folder / "broken.jpg").write_text("no picture")
    scan()
    other = _model(1)
    run = scan("out", other)
    anew = scan("anew", other)
    assert len([row for row in run.written if row.status == "scored"]) == 30
    assert [row[:-1] for row in run.table] == [row[:-1] for row in anew.table]
    assert run.ranking == anew.ranking


def test_neither_batches_nor_workers_nor_an_interruption_change_the_ranking(
    scan: Scanned, source: Noted, folder: Path
) -> None:
    shutil.copyfile(folder / "0" / "00.png", folder / "copy.png")  # a sibling, and a tie
    expected = scan("expected", batch_size=64)
    assert len(expected.ranking) == 31
    for batch_size, num_workers in ((1, 1), (7, 3)):
        with DecodePool(source, SIZE, num_workers) as pool:
            run = scan(f"{batch_size} {num_workers}", batch_size=batch_size, pool=pool)
        assert run.ranking == expected.ranking
        np.testing.assert_allclose([row[-1] for row in run.table], [row[-1] for row in expected.table], atol=1e-6)


@pytest.mark.parametrize("stop_after", [1, 14])
def test_an_interrupted_and_resumed_scan_equals_an_unbroken_one_to_the_last_bit(
    scan: Scanned, folder: Path, stop_after: int
) -> None:
    (folder / "broken.jpg").write_text("no picture")
    expected = scan("whole", batch_size=7)
    with suppress(KeyboardInterrupt):
        scan("broken", batch_size=7, stop_after=stop_after)
    run = scan("broken", batch_size=7)
    assert run.unchanged == max(7, stop_after)
    assert (run.table, run.ranking) == (expected.table, expected.ranking)


def test_a_file_that_vanishes_before_it_is_read_is_one_failed_row(scan: Scanned, source: Noted, folder: Path) -> None:
    run = scan(source=Vanishing(folder, source.notes, ("0/04.png", "1/09.png")))
    assert len(run.written) == 30
    failed = {row.name: row.reason for row in run.written if row.status == "failed"}
    assert failed == dict.fromkeys(("0/04.png", "1/09.png"), "no such file")


def test_progress_is_called_with_every_row_as_it_is_in_the_ledger(scan: Scanned, folder: Path) -> None:
    scan()
    for number in range(200, 205):
        paint(folder / f"{number}.png", number)
    (folder / ".hidden").touch()
    run = scan()
    assert (len(run.written), run.unchanged) == (6, 30)
    table = {row[0]: row[3] for row in run.table}
    assert run.statuses.items() <= table.items()


def test_nobody_calls_files_gone_whose_drive_is_not_there(scan: Scanned, folder: Path, tmp_path: Path) -> None:
    before = scan()
    folder.rename(tmp_path / "away")
    with pytest.raises(DataError, match="no such folder"):
        scan()
    folder.mkdir()  # where it was mounted
    with pytest.raises(DataError, match="no files in it"):
        scan()
    folder.rmdir()
    (tmp_path / "away").rename(folder)
    after = scan()
    assert (after.written, after.unchanged, after.table) == ([], 30, before.table)


def test_nobody_calls_files_gone_whose_drive_goes_while_it_is_searched(
    scan: Scanned, source: Noted, folder: Path, tmp_path: Path
) -> None:
    scan()
    goes = Vanishing(folder, source.notes, tuple(f"{n % 2}/{n:02d}.png" for n in range(30)))
    with pytest.raises(DataError, match="no files in it"):
        scan(source=goes)
    with Ledger(tmp_path / "out", "root", MODEL.fingerprint, CLASSES) as ledger:
        assert ledger.db.execute("SELECT count(*) FROM pictures WHERE gone = 1").fetchone() == (0,)
