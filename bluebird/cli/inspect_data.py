"""`bluebird inspect_data`: look at labelled pictures before anyone trains on them."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bluebird.bundle import load_model
from bluebird.cli.choose import choose_device
from bluebird.cli.mute import mute_c_libraries
from bluebird.engines.engine import AT_ONCE
from bluebird.engines.opened import open_engine
from bluebird.errors import OutputError, UsageError
from bluebird.inspection import Inspection, Judge, inspect, write_csv, write_json, write_page
from bluebird.inspection.features import plain_features
from bluebird.inspection.verdict import answer, remarks, steps

_IMAGE_SIZE = 64  # that of a training by default, which then finds the pictures decoded


def run(options: Namespace) -> int:
    """Look, write, say what to mend first."""
    image_size, judge = _judge(options.model)
    _make_room(options.out, options.folder)
    with mute_c_libraries():
        inspection = inspect(options.folder, image_size, judge)
        write_csv(inspection, options.out / "problems.csv")
        write_json(inspection, options.out / "inspection.json")
        write_page(inspection, options.out / "inspection.html")
    _report(options, inspection)
    return 0


def _judge(model: Path | None) -> tuple[int, Judge]:
    """The side in px, and what pictures are known by."""
    if model is None:
        return _IMAGE_SIZE, Judge(plain_features, "plain colours and edges", is_network=False)
    bundle = load_model(model)
    engine, _ = open_engine(bundle, model, "torch", choose_device("auto", "torch"))

    def features(squares: Tensor) -> NDArray[np.float32]:
        parts = [engine.ask(some).features for some in torch.split(squares, AT_ONCE)]
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    return bundle.preprocessing.image_size, Judge(features, f"the features of {model}", is_network=True)


def _make_room(out: Path, folder: Path) -> None:
    if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"--out {str(out)!r}: lies in the folder that is looked at, where it would pass for a class")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{str(out)!r}: cannot be made ({error.strerror}); choose another --out") from error
    if not os.access(out, os.W_OK):
        raise OutputError(f"{str(out)!r}: cannot be written into; choose another --out")


def _report(options: Namespace, inspection: Inspection) -> None:
    listing, counts = inspection.listing, inspection.counts
    print(f"{len(listing.samples):,} pictures of {len(listing.classes):,} classes. {answer(inspection)}")
    for step in steps(inspection):
        print(f"mend         {step}")
    for remark in remarks(inspection):
        print(f"note         {remark}")
    print(f"look         {options.out / 'inspection.html'}")
    if any(counts.values()):
        print(f"table        {options.out / 'problems.csv'}")
