"""What `bluebird predict` is asked for, and what of it can be refused before anything long begins."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch

from bluebird.bundle import Bundle
from bluebird.cli.options import OptionParser, accepted, add_device, add_target, at_least, positive
from bluebird.engines import CPU, ENGINES, cores
from bluebird.errors import DataError, UsageError
from bluebird.search.results import write_jsonl, write_megadetector, write_parquet

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

ALSO = {
    "jsonl": ("finds.jsonl", write_jsonl),
    "parquet": ("finds.parquet", write_parquet),
    "megadetector": ("finds.megadetector.json", write_megadetector),
}


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


def choose_target(classes: Sequence[str], wanted: Sequence[str] | None, option: str = "--target") -> list[str]:
    """The classes that are meant by an option: by their name, or by a part of it that only one class has.

    Raises:
        UsageError: none or several are meant by a word.
    """
    return list(dict.fromkeys(_class_of(word, classes, option) for word in wanted or ["bluebird"]))


def _class_of(word: str, classes: Sequence[str], option: str) -> str:
    meant = [name for name in classes if word.casefold() in name.casefold()]
    if word in classes:
        meant = [word]
    if len(meant) == 1:
        return meant[0]
    listed = ", ".join(classes[:12]) + (f" and {len(classes) - 12} more" if len(classes) > 12 else "")
    seen = f"may be {' or '.join(meant[:5])}" if meant else f"is none of the model's classes ({listed})"
    raise UsageError(f"{option} {word!r} {seen}; name one class, or several one by one")


def choose_accept(model: Bundle, target: Sequence[str], wanted: float | tuple[str, float]) -> float:
    """The score of a find: as it was given, or as the model's validation has it for a wanted recall or precision.

    Raises:
        UsageError: validation cannot tell, or never reached it.
    """
    if isinstance(wanted, float):
        return wanted
    from bluebird.report.validation import threshold_for  # scipy, which a plain score does without

    what, share = wanted
    try:
        return threshold_for(model, target, "recall" if what == "recall" else "precision", share)
    except DataError as error:
        raise UsageError(f"--accept {what}={share:g}: {error}; give a score") from error


def choose_device(name: str, engine: str) -> torch.device:
    """The device of this name; for "auto", an accelerator where there is one and the engine is torch.

    Raises:
        UsageError: this machine has no such device.
    """
    if name == "auto":
        return CPU if engine != "torch" else torch.accelerator.current_accelerator(check_available=True) or CPU
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: not on this machine ({str(error).splitlines()[0]})") from error
    return device


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
    return parser  # fmt: skip
