"""What `bluebird explain` is asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bluebird.cli.options import OptionParser, add_device, at_least

_ABOUT = """Show where the trained MODEL looked in each PICTURE for the class it names first, or for those of --class.

  bluebird explain runs/cnn/version_0 photo.jpg another.jpg
  bluebird explain runs/cnn/version_0 my_photos --class indigo --class grosbeak --out why

PICTURE is a file, or a folder with all folders below it. OUT holds afterwards

  explain.html   each picture as the network sees it, beside the maps, with the three likeliest classes
  NAME.png       the same of one picture, side by side

exit codes: 0 done; 2 cannot be done as asked; 3 done, some files unreadable"""


def parse(arguments: list[str]) -> Namespace:
    return _parser().parse_args(arguments)


def _parser() -> OptionParser:
    parser = OptionParser("bluebird explain", _ABOUT)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="run folder, bundle or .ckpt file")
    add("pictures", type=Path, nargs="+", metavar="PICTURE", help="a file, or a folder of them")
    add(
        "--class",
        dest="classes",
        action="append",
        default=[],
        metavar="NAME",
        help="look for this class, named in full or by a part; more than once: one map each (default: the likeliest)",
    )
    add("--out", type=Path, default=Path("explain"), metavar="OUT", help="folder to write (default: explain)")
    add("--limit", type=at_least(1), default=100, metavar="N", help="files of a folder at most (default: 100)")
    add_device(parser)
    return parser
