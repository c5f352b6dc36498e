"""`bluebird evaluate`: how good is the model at finding its bird, and where does it err?"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from bluebird.bundle import Bundle, bundle_folder, load_model
from bluebird.cli.choose import choose_device, choose_target
from bluebird.cli.memory import keep_freed_memory
from bluebird.cli.mute import mute_c_libraries
from bluebird.cli.options import read_config
from bluebird.engines.engine import Engine
from bluebird.engines.opened import open_engine
from bluebird.pixels.held_out import read_labelled
from bluebird.report.judged import Judged, Said, ask, judge
from bluebird.report.page import page
from bluebird.report.report import Report, make_report, write_report
from bluebird.report.unknown import USED, open_set


def run(options: Namespace) -> int:
    """Ask the model, work out the figures, write the report, say the most important."""
    keep_freed_memory()
    model = load_model(options.model)
    target = choose_target(model.classes, options.target)
    engine, _ = open_engine(model, options.model, "torch", choose_device(options.device, "torch"))
    with mute_c_libraries():
        shares, seed = _drawn_by(options.model)
        data = read_labelled(options.folder, model.preprocessing.image_size, model.data_fingerprint, shares, seed)
        judged = judge(model, engine, data, target)
        learnt = _learnt(model, engine, judged)
    report = make_report(judged, open_set(judged, learnt), options.prevalence, options.seed)
    write_report(report, options.out, page)
    _say(report, options)
    return 3 if data.failures else 0


def _drawn_by(model: Path) -> tuple[dict[str, float], int]:
    """The shares and the seed by which the training drew its splits: as its run folder keeps them, or the defaults."""
    folder = bundle_folder(model) or model
    configs = (path / "config.yaml" for path in (model, folder.parent, model.parent.parent))
    kept = next((path for path in configs if path.is_file()), None)
    config = read_config(kept) if kept else {}
    data: Any = (config.get("data") if isinstance(config, dict) else None) or {}
    return {name: data.get(f"{name}_share", 0.15) for name in ("val", "test")}, data.get("seed", 0)


def _learnt(model: Bundle, engine: Engine, judged: Judged) -> Said | None:
    """What the model says of pictures that it learnt from, where unknown ones are to be compared with them."""
    rows = [row for row in judged.data.learnt if judged.data.labels[row] in model.classes]
    if judged.said.known.all() or not rows:
        return None
    return ask(model, engine, judged.data, rows, compared=True)


def _say(report: Report, options: Namespace) -> None:
    judged: Judged = report.judged
    search, first = report.search, report.search.looks[0.95]
    everything, relevant = len(judged.scores), int(judged.relevant.sum())
    print(f"judged by    {everything:,} pictures ({judged.data.split}), {relevant:,} of {judged.wanted}")
    print(f"look at      {first.value:,.0f} of them for 95 % ({first.low:,.0f} to {first.high:,.0f})")
    average = search.average_precision
    print(f"average      precision {average.value:.3f} ({average.low:.3f} to {average.high:.3f})")
    print(f"accuracy     {report.trust.accuracy:.1%} over {len(judged.model.classes):,} classes")
    if report.rare:
        looks, at = report.rare.looks[0.95], f"at {options.prevalence:g}"
        print(f"{at:<12} {looks.value:.2%} of a database for 95 % ({looks.low:.2%} to {looks.high:.2%})")
    if np.isfinite(report.trust.temperature):
        error = report.trust.figures["calibrated"]["expected_calibration_error"]
        print(f"calibration  error {error:.3f} at temperature {report.trust.temperature:.2f}")
    if report.unknown:
        area, passed = report.unknown.figures[USED]
        print(f"unknown      species: AUROC {area:.3f}, {passed:.0%} of them pass where 95 % of the known do")
    for warning in report.warnings():
        print(f"note         {warning}")
    print(f"look         {options.out / 'report.html'}")
    if judged.data.failures:
        print(f"left out     {len(judged.data.failures):,} unreadable files, listed there")
