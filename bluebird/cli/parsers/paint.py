"""What `bluebird paint` is asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bluebird.cli.options import OptionParser, at_least
from bluebird.pixels.paint import DIFFICULTY

_ABOUT = """Paint labelled birds: one folder of PNG files for each species and one for pictures without a bird.

  bluebird paint --out data/small --count 500 --seed 1
  bluebird paint --sheet birds.png --size 96              one sheet to look at, no folder"""


def parse(arguments: list[str]) -> Namespace:
    return _parser().parse_args(arguments)


def _parser() -> OptionParser:
    parser = OptionParser("bluebird paint", _ABOUT)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write (default: data/painted)")
    parser.add_argument("--count", type=at_least(1), default=5000, metavar="N", help="pictures (default: 5000)")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="S", help="names the set (default: 0)")
    parser.add_argument("--size", type=at_least(16), default=64, metavar="PX", help="side in px (default: 64)")
    parser.add_argument(
        "--difficulty", type=float, default=DIFFICULTY, metavar="D", help="0 easy to 1 very hard (default: %(default)s)"
    )
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="write one sheet with a row for each class")
    return parser
