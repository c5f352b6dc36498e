"""`bluebird paint`: a labelled set of painted birds, or one sheet of them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bluebird.errors import OutputError
from bluebird.pixels.paint import contact_sheet, paint_folder


def run(options: Namespace) -> int:
    """Paint what is asked for and say where it lies."""
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
