"""What `bluebird predict` is asked for, and what of it can be refused before anything long begins."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from bluebird.cli.options import OptionParser, accepted, add_device, add_target, at_least, positive
from bluebird.engines import ENGINES, cores
from bluebird.errors import UsageError

_ABOUT = """Go through everything in WHERE with the trained MODEL, and hand over the finds, best first.

  bluebird predict runs/cnn/version_0 my_photos --target bluebird --out finds
  bluebird predict runs/cnn/version_0 my_photos --target bluebird --out finds     again: goes on where it stopped

MODEL is a run folder, its bundle, or a checkpoint that `bluebird train` wrote. WHERE is a folder, with all
folders, archives and videos below it; a pattern ('photos/**/*.jpg'); a list of paths (.txt, .csv, or - for
standard input); an archive; a video; or a URL. OUT holds afterwards

  finds.html          the finds to look at, with the failures and the spread of scores
  finds.csv           a row for each scored picture, best first; near-duplicates stand behind their leader
  failures.csv        a row for each file without a score, with the reason
  finds.sqlite        the ledger: all that is known of every file; the same command goes on from it,
                      scores what is new or changed, and all of it if the model is another
  status.json         one line, while it runs and afterwards

and on request (--also) finds.jsonl, finds.parquet and finds.megadetector.json.
exit codes: 0 done; 2 cannot be done as asked; 3 done, some files unreadable; 130 interrupted, nothing lost"""

ALSO = {"jsonl": "finds.jsonl", "parquet": "finds.parquet", "megadetector": "finds.megadetector.json"}
"""What may be asked for with --also, and the file that it is written to."""


def parse(arguments: list[str]) -> Namespace:
    """The options, with `exclude`: where the search writes to.

    Raises:
        UsageError: they make no sense, alone or together, or need a library that is not installed.
    """
    options = _parser().parse_args(arguments)
    where = _real(options.where)
    own = {name: folder for name in ("out", "collect") if (folder := getattr(options, name))}
    for name, folder in own.items():
        if _real(folder) == where:
            raise UsageError(f"--{name} {str(folder)!r}: is the searched folder itself; choose another")
    options.exclude = [*own.values(), *filter(None, [options.log_file])]
    _check_log_file(options, where)
    _check_parquet(options.also)
    return options


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _check_log_file(options: Namespace, where: Path) -> None:
    """A log must not be searched, let alone be written into what is."""
    log = options.log_file and _real(options.log_file)
    if log and log.is_relative_to(where) and not log.is_relative_to(_real(options.out)):
        raise UsageError(f"--log-file {str(options.log_file)!r}: lies where it would be searched; put it into --out")


def _check_parquet(also: Sequence[str]) -> None:
    if "parquet" not in also:
        return
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError("--also parquet needs another library: pip install 'bluebird[parquet]'") from None


def _parser() -> OptionParser:
    parser = OptionParser("bluebird predict", _ABOUT)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="run folder, bundle or .ckpt file")
    add("where", metavar="WHERE", help="what is searched")
    add_target(parser)
    add("--out", type=Path, default=Path("finds"), metavar="OUT", help="folder to write (default: finds)")
    add(
        "--accept",
        type=accepted,
        default=0.5,
        metavar="SCORE",
        help="score of a find; or recall=0.95, precision=0.9: what reached that in validation (default: 0.5)",
    )
    add("--also", action="append", choices=sorted(ALSO), default=[], help="write this too; may be given again")
    add("--page-limit", type=at_least(1), default=1000, metavar="N", help="pictures on the page (default: 1000)")
    add("--collect", type=Path, metavar="DIR", help="bring the finds together in this folder, never over another file")
    add("--collect-by", choices=("copy", "symlink", "move"), default="copy", help="how (default: copy)")
    add("--retry-failed", action="store_true", help="try files again that could not be read before")
    add("--every-seconds", type=positive, default=1.0, metavar="S", help="between frames of a video (default: 1)")
    add("--timeout", type=positive, default=10.0, metavar="S", help="give up a picture after this time (default: 10)")
    add(
        "--engine",
        choices=ENGINES,
        default="torch",
        help="what computes; all but torch want an export (default: torch)",
    )
    add("--embeddings", action="store_true", help="keep what the network's last layer decides on, in the ledger")
    add(
        "--batch-size",
        type=at_least(1),
        default=0,
        metavar="N",
        help="pictures in a forward pass (default: what proves quickest)",
    )
    add(
        "--num-workers",
        type=at_least(1),
        default=cores(),
        metavar="N",
        help="processes that decode (default: one for each core)",
    )
    add("--log-file", type=Path, metavar="FILE", help="add to this file: settings, each file without a score, counts")
    add_device(parser)
    return parser
