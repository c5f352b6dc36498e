"""What `bluebird seven` is asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bluebird.cli.options import OptionParser, at_least, positive

_ABOUT = """Fit a curve with a network of seven parameters, whose gradients are written out by hand.

  bluebird seven                          the gradients three ways, then the descent
  bluebird seven --plot figures           and what happened, as pictures
  bluebird seven --linear                 without a bend in its neurons it can only be a straight line
  bluebird seven --zero-start             two neurons that start equal stay equal for ever"""


def parse(arguments: list[str]) -> Namespace:
    return _parser().parse_args(arguments)


def _parser() -> OptionParser:
    parser = OptionParser("bluebird seven", _ABOUT)
    parser.add_argument("--linear", action="store_true", help="hidden neurons without a bend")
    parser.add_argument("--zero-start", action="store_true", help="start at zero instead of at drawn numbers")
    parser.add_argument("--plot", type=Path, metavar="OUT", help="folder for the figures")
    parser.add_argument("--epochs", type=at_least(1), default=20_000, help="at the most (default: 20000)")
    parser.add_argument("--lr", type=positive, default=0.03, help="learning rate (default: 0.03)")
    parser.add_argument(
        "--threshold", type=positive, default=1e-5, help="stop when nothing moves by this much (default: 1e-5)"
    )
    parser.add_argument("--points", type=at_least(2), default=80, help="points on the curve (default: 80)")
    parser.add_argument("--seed", type=at_least(0), default=0, help="draws the start (default: 0)")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="for TensorBoard (default: runs)")
    return parser
