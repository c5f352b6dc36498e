"""Painted pictures on disk: a labelled set in class folders, and a sheet for eyes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from bluebird.errors import OutputError, UsageError
from bluebird.pixels.paint.painter import DIFFICULTY, check_request, paint_picture
from bluebird.pixels.paint.species import CLASS_NAMES

_VERSION = 1  # raise it whenever the same request gives other pixels
_MARKER = "painted.json"


def paint_folder(
    out: Path,
    *,
    count: int = 5000,
    seed: int = 0,
    size_px: int = 64,
    difficulty: float = DIFFICULTY,
    workers: int | None = None,
) -> list[Path]:
    """Write `count` pictures as ``out/<class>/<class>_000123.png`` and return their paths.

    Classes take turns, so they are as equal as can be and a small set is the beginning of a larger
    one. PNG, because its pixels do not depend on the version of an encoder. The set is painted aside
    and renamed into place: what lies at `out` is whole. The same request again finds it there.

    Raises:
        UsageError: a count below one, or what `paint_picture` refuses.
        OutputError: `out` holds something else, or cannot be written.
    """
    check_request(size_px, difficulty)
    if count < 1:
        raise UsageError(f"count is {count}; expected at least 1")
    request = {
        "count": count, "seed": seed, "size_px": size_px, "difficulty": difficulty, "version": _VERSION,
    }  # fmt: skip
    paths = [out / name / f"{name}_{index:06d}.png" for index, name in _turns(count)]
    if not _already_there(out, request):
        try:
            _paint_aside(out, request, workers or os.cpu_count() or 1)
        except OSError as error:
            raise OutputError(f"{str(out)!r}: the pictures cannot be written ({error.strerror})") from error
    return paths


def contact_sheet(*, seed: int = 0, size_px: int = 96, difficulty: float = DIFFICULTY, columns: int = 8) -> Image.Image:
    """One row of `columns` pictures for each class, its name at the left."""
    gap, margin = 4, 150
    height = len(CLASS_NAMES) * (size_px + gap) + gap
    sheet = Image.new("RGB", (margin + columns * (size_px + gap), height), (250, 249, 246))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=17)
    for row, name in enumerate(CLASS_NAMES):
        top = gap + row * (size_px + gap)
        draw.text((14, top + size_px / 2), name.replace("_", " "), (40, 40, 44), font, anchor="lm")
        for column in range(columns):
            index = row + column * len(CLASS_NAMES)
            picture = paint_picture(name, seed=seed, index=index, size_px=size_px, difficulty=difficulty)
            sheet.paste(picture, (margin + column * (size_px + gap), top))
    return sheet


def _turns(count: int) -> Iterator[tuple[int, str]]:
    return ((index, CLASS_NAMES[index % len(CLASS_NAMES)]) for index in range(count))


def _already_there(out: Path, request: dict[str, float]) -> bool:
    if not out.exists():
        return False
    try:
        found = json.loads((out / _MARKER).read_text())
    except (OSError, ValueError):
        found = None
    if found == request:
        return True
    if found is None and out.is_dir() and not any(out.iterdir()):
        return False
    raise OutputError(f"{str(out)!r} holds something else already; remove it or choose another folder")


def _paint_aside(out: Path, request: dict[str, float], workers: int) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name in CLASS_NAMES:
            (aside / name).mkdir()
        _paint_all(aside, request, workers)
        (aside / _MARKER).write_text(json.dumps(request))
        aside.chmod(0o755)
        if out.exists():
            out.rmdir()
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _paint_all(folder: Path, request: dict[str, float], workers: int) -> None:
    paint = partial(_paint_one, folder, request)
    count = int(request["count"])
    bar = tqdm(total=count, desc="painting", unit=" pictures", disable=None, leave=False)
    with bar, ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for _ in pool.map(paint, _turns(count), chunksize=64):
            bar.update()


def _paint_one(folder: Path, request: dict[str, float], turn: tuple[int, str]) -> None:
    index, name = turn
    picture = paint_picture(
        name,
        seed=int(request["seed"]),
        index=index,
        size_px=int(request["size_px"]),
        difficulty=request["difficulty"],
    )
    picture.save(folder / name / f"{name}_{index:06d}.png", compress_level=1)
