"""What `bluebird evaluate` is asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bluebird.cli.options import OptionParser, add_device, add_target, at_least, share

_ABOUT = """Judge the trained MODEL by the labelled pictures in FOLDER, and write a report to look at.

  bluebird evaluate runs/cnn/version_0 data/painted --target bluebird
  bluebird evaluate runs/cnn/version_0 my_birds --target bluebird --prevalence 0.0001

FOLDER is what `bluebird train` takes: a folder of pictures for each class, or train/, val/ and test/ with such
folders, or a CSV file with the columns path,label[,split]. Of the very data that the model was trained on, only
the test split judges; likewise where FOLDER has a test split; else all pictures do. Classes that the model does not
have count as unknown species: they show whether it notices what it does not know. OUT holds afterwards

  report.html         how many pictures to look at, whether scores can be trusted, what is confused with what, and why
  evaluation.json     all figures
  predictions.csv     a row for each picture, best first

exit codes: 0 done; 2 cannot be done as asked; 3 done, some files unreadable; 130 interrupted"""


def parse(arguments: list[str]) -> Namespace:
    return _parser().parse_args(arguments)


def _parser() -> OptionParser:
    parser = OptionParser("bluebird evaluate", _ABOUT)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="run folder, bundle or .ckpt file")
    add("folder", type=Path, metavar="FOLDER", help="labelled pictures")
    add_target(parser)
    add("--out", type=Path, default=Path("evaluation"), metavar="OUT", help="folder to write (default: evaluation)")
    add("--prevalence", type=share, metavar="SHARE", help="speak of a database with this share of the target, too")
    add("--seed", type=at_least(0), default=0, metavar="N", help="draws the resamples of the intervals (default: 0)")
    add_device(parser)
    return parser
