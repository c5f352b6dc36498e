"""What `bluebird inspect_data` is asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bluebird.cli.options import OptionParser

_ABOUT = """Look at the labelled pictures of FOLDER before anyone trains on them.

  bluebird inspect_data my_birds
  bluebird inspect_data my_birds --model runs/cnn/version_0 --out look

FOLDER is what --data.root of train takes: class folders, split folders or a CSV file. Found are files that cannot be
read, tiny, plain and misshapen pictures, copies (across splits, across classes), probable label errors and uneven
classes. Label errors take two libraries more: pip install 'bluebird[inspect]'

  inspection.html   a page: what to mend first, and the pictures in question
  problems.csv      path,label,split,problem,detail, a row for each problem
  inspection.json   the counts

exit codes: 0 done, whatever was found; 2 cannot be done as asked"""


def parse(arguments: list[str]) -> Namespace:
    return _parser().parse_args(arguments)


def _parser() -> OptionParser:
    parser = OptionParser("bluebird inspect_data", _ABOUT)
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="labelled pictures")
    add("--model", type=Path, metavar="RUN", help="run folder, bundle or .ckpt file: judge the labels by what it sees")
    add("--out", type=Path, default=Path("inspection"), metavar="OUT", help="write here (default: inspection)")
    return parser
