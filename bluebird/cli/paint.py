"""`bluebird paint`: a labelled set of painted birds, or one sheet of them."""

from __future__ import annotations

from pathlib import Path

from bluebird.cli.options import OptionParser, at_least
from bluebird.errors import OutputError
from bluebird.pixels.paint import DIFFICULTY, contact_sheet, paint_folder

_ABOUT = """Paint labelled birds: one folder of PNG files for each species and one for pictures without a bird.

  bluebird paint --out data/small --count 500 --seed 1
  bluebird paint --sheet birds.png --size 96              one sheet to look at, no folder"""


def run(arguments: list[str]) -> int:
    """Paint what is asked for and say where it lies."""
    options = _parser().parse_args(arguments)
    if options.sheet is not None:
        _save_sheet(options.sheet, options.seed, options.size, options.difficulty)
    if options.out is not None or options.sheet is None:
        out = options.out or Path("data/painted")
        request = {"count": options.count, "seed": options.seed, "size_px": options.size}
        paths = paint_folder(out, **request, difficulty=options.difficulty)
        print(f"{len(paths):,} pictures in {out}")
    return 0


def _save_sheet(path: Path, seed: int, size_px: int, difficulty: float) -> None:
    sheet = contact_sheet(seed=seed, size_px=size_px, difficulty=difficulty)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
    except (OSError, ValueError) as error:  # ValueError: an ending that names no picture format
        raise OutputError(f"{str(path)!r}: the sheet cannot be written ({error})") from error
    print(f"sheet {path}")


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
