"""`bluebird export`: a trained model for other libraries, checked before it is used."""

from __future__ import annotations

from argparse import Namespace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bluebird.bundle import bundle_folder, load_model, save_bundle
from bluebird.cli.mute import mute_c_libraries
from bluebird.engines import FILES
from bluebird.engines.export import Check, export
from bluebird.errors import DataError, UsageError
from bluebird.pixels.paint import CLASS_NAMES, paint_picture
from bluebird.pixels.squeeze import squeeze
from bluebird.search.pool import DecodePool
from bluebird.search.sources import open_source

_PICTURES, _PAINTED = 300, 40


def run(options: Namespace) -> int:
    """Load, write, check, say how near it comes."""
    model = load_model(options.model)
    folder = options.out or bundle_folder(options.model)
    if folder is None:
        raise UsageError(f"{str(options.model)!r}: a checkpoint is no folder to write into; add --out FOLDER")
    pictures = _pictures(options, model.preprocessing.image_size)
    if options.out is not None:
        save_bundle(model, options.out)
    with mute_c_libraries():
        check = export(model, options.to, folder, pictures)
    _report(options, folder, check)
    return 0


def _pictures(options: Namespace, image_size: int) -> Tensor:
    """Some, spread evenly over what `--pictures` holds; painted ones without it."""
    if options.pictures is None:
        return torch.stack([_painted(name, number, image_size) for number, name in _classes()])
    source = open_source(options.pictures)
    names = [file.name for file in source if not file.skipped]
    spread = [names[round(place)] for place in np.linspace(0, len(names) - 1, min(_PICTURES, len(names)))]
    with mute_c_libraries(), DecodePool(source, image_size) as pool:
        decoded = [picture.pixels for picture in pool.decode(spread) if picture.pixels is not None]
    if not decoded:
        raise DataError(f"{options.pictures!r}: no picture there that can be read")
    return torch.stack(decoded)


def _classes() -> enumerate[str]:
    return enumerate(islice(cycle(CLASS_NAMES), _PAINTED))


def _painted(name: str, number: int, image_size: int) -> Tensor:
    picture = paint_picture(name, seed=0, index=number, size_px=max(16, image_size))
    return squeeze(torch.from_numpy(np.array(picture)).movedim(2, 0), image_size)


def _report(options: Namespace, folder: Path, check: Check) -> None:
    kind = "painted pictures" if options.pictures is None else "pictures"
    print(f"written      {', '.join(str(folder / name) for name in FILES[options.to])}")
    print(
        f"checked      on {check.pictures} {kind}: probabilities at most {check.greatest_difference:.2g} off those of "
        f"torch; first class the same on {check.same_first:.1%}"
    )
    if options.to != "torch":
        print(f"use          bluebird predict {folder} PHOTOS --engine {options.to}")
