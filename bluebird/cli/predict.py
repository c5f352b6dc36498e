"""`bluebird predict`: every picture below a folder gets a row of probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from tqdm import tqdm

from bluebird.bundle import load_model
from bluebird.cli.memory import keep_freed_memory
from bluebird.cli.mute import mute_c_libraries
from bluebird.cli.options import OptionParser, at_least
from bluebird.errors import DataError, UsageError
from bluebird.pixels.walk import walk_files
from bluebird.search import Prediction, scan, write_predictions

_ABOUT = """Classify every file below FOLDER with the trained MODEL.

  bluebird predict runs/cnn/version_0 my_photos --out finds

MODEL is a run folder, its bundle, or a checkpoint that `bluebird train` wrote. OUT/predictions.csv gets
one row for each file found, in the order of their names: path (from FOLDER down), the best classes with
their probabilities, and the reason where a file could not be read. Rows are written as they come.
exit codes: 0 done; 2 cannot be done as asked; 3 done, some files unreadable; 130 interrupted"""


def run(arguments: list[str]) -> int:
    """Scan the folder, write the rows, count the failures."""
    options = _parser().parse_args(arguments)
    keep_freed_memory()
    model = load_model(options.model)
    device = _device(options.device)
    table = options.out / "predictions.csv"
    total = sum(1 for _ in _files(options.folder, table))
    if not total:
        raise DataError(f"{str(options.folder)!r}: no files in it, so there is nothing to predict")
    predictions = scan(
        model,
        _files(options.folder, table),
        batch_size=options.batch_size,
        num_threads=options.num_threads,
        device=device,
    )
    count = _Count()
    try:
        with mute_c_libraries():
            write_predictions(count.over(predictions, total), table, options.folder, model.classes, options.top_k)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; the first {count.done:,} of {total:,} rows are in {table}") from None
    print(f"{count.done:,} files, {count.failed:,} of them could not be read; rows in {table}")
    return 3 if count.failed else 0


class _Count:
    """How many predictions went by, and how many without probabilities; with a progress bar."""

    def __init__(self) -> None:
        self.done = self.failed = 0

    def over(self, predictions: Iterable[Prediction], total: int) -> Iterator[Prediction]:
        with tqdm(total=total, unit=" pictures", disable=None, leave=False, dynamic_ncols=True) as bar:
            for prediction in predictions:
                yield prediction
                self.done += 1
                self.failed += prediction.error is not None
                bar.set_postfix(failed=self.failed, refresh=False)
                bar.update()


def _files(folder: Path, table: Path) -> Iterator[Path]:
    """Every file but the one being written."""
    own = table.absolute()
    return (path for path in walk_files(folder) if path.absolute() != own)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: not on this machine ({str(error).splitlines()[0]})") from error
    return device


def _parser() -> OptionParser:
    parser = OptionParser("bluebird predict", _ABOUT)
    parser.add_argument("model", type=Path, metavar="MODEL", help="run folder, bundle or .ckpt file")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="searched with all folders below it")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("predictions"),
        metavar="OUT",
        help="folder to write (default: predictions)",
    )
    parser.add_argument(
        "--top-k", type=at_least(1), default=3, metavar="K", help="classes in a row, best first (default: 3)"
    )
    parser.add_argument(
        "--batch-size",
        type=at_least(1),
        default=64,
        metavar="N",
        help="pictures in a forward pass (default: 64)",
    )
    parser.add_argument(
        "--num-threads", type=at_least(1), default=2, metavar="N", help="threads that decode (default: 2)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps ... (default: auto)")
    return parser
