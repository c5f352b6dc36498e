"""What `bluebird estimate` is asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bluebird.cli.options import OptionParser, at_least, share
from bluebird.engines import ENGINES

_ABOUT = """Tell how many pictures of the bird a database holds, after `bluebird predict` has gone through it into OUT.

  bluebird estimate finds --model runs/cnn/version_0         by the scores, at once
  bluebird estimate finds --draw                             by looking: draws the pictures to look at
  bluebird estimate finds --labels finds/sample.csv          and counts, once they are labelled

By the scores: from what the model said of the pictures held out in its training. This assumes that each kind of
picture looks in the database as it did among those, and that the rest is of the same mix; no interval shows where
that is wrong. By looking: all of the best finds and a random sample of the rest are looked at by a person, and the
interval holds whatever the model is worth. OUT holds afterwards

  sample.html         the pictures in random order, without their scores, to say yes or no to
  sample.csv          the same to fill in by hand: yes or no in the column `shows`
  sample.json         how the sample was drawn
  estimate.json       after --labels: all figures

What is counted are pictures that have a score and were still there; several may show the same bird.
exit codes: 0 done; 2 cannot be done as asked; 130 interrupted"""


def parse(arguments: list[str]) -> Namespace:
    return _parser().parse_args(arguments)


def _parser() -> OptionParser:
    parser = OptionParser("bluebird estimate", _ABOUT)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder that bluebird predict wrote")
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument("--model", type=Path, metavar="MODEL", help="by the scores: run folder or bundle that searched")
    ways.add_argument("--draw", action="store_true", help="draw the pictures to look at")
    ways.add_argument("--labels", type=Path, metavar="CSV", help="count what was labelled")
    add = parser.add_argument
    add("--engine", choices=ENGINES, default="torch", help="with --model: what computed (default: torch)")
    add("--accept", type=share, default=0.5, metavar="SCORE", help="with --model: score of a find (default: 0.5)")
    add("--top", type=at_least(0), metavar="N", help="with --draw: best finds (default: 100, or what there is)")
    add("--sample", type=at_least(0), metavar="N", help="with --draw: others, by lot (default: 200, or what there is)")
    add("--seed", type=at_least(0), default=0, metavar="N", help="with --draw: of the lot (default: 0)")
    add("--confidence", type=share, default=0.95, metavar="SHARE", help="of the interval (default: 0.95)")
    return parser
