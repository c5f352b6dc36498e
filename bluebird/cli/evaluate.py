"""`bluebird evaluate`: how good is the model at finding its bird, and where does it err?"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from bluebird.bundle import Bundle, bundle_folder, load_model
from bluebird.cli.memory import keep_freed_memory
from bluebird.cli.mute import mute_c_libraries
from bluebird.cli.options import OptionParser, add_device, add_target, at_least, read_config, share
from bluebird.cli.predict_options import choose_device, choose_target
from bluebird.engines import Engine, open_engine
from bluebird.pixels.held_out import read_labelled
from bluebird.report.judged import Judged, Said, ask, judge
from bluebird.report.page import page
from bluebird.report.report import Report, make_report, write_report
from bluebird.report.unknown import USED, open_set

_ABOUT = """Judge the trained MODEL by the labelled pictures in FOLDER, and write a report to look at.

  bluebird evaluate runs/cnn/version_0 data/painted --target bluebird
  bluebird evaluate runs/cnn/version_0 my_birds --target bluebird --prevalence 0.0001

FOLDER is what `bluebird train` takes: a folder of pictures for each class, or train/, val/ and test/ with such
folders, or a CSV file with the columns path,label[,split]. Of the very data that the model was trained on, only
the test split judges; likewise where FOLDER has a test split; else all pictures do. Classes that the model does not
have count as unknown species: they show whether it notices what it does not know. OUT holds afterwards

  report.html         how many pictures to look at, whether scores can be trusted, what is confused with what, and why
  evaluation.json     all figures
  predictions.csv     a row for each picture, best first

exit codes: 0 done; 2 cannot be done as asked; 3 done, some files unreadable; 130 interrupted"""


def run(arguments: list[str]) -> int:
    """Ask the model, work out the figures, write the report, say the most important."""
    options = _parser().parse_args(arguments)
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
    if judged.said.known.all() or not judged.data.learnt:
        return None
    said = ask(model, engine, judged.data, judged.data.learnt)
    return said.of(said.known) if said.known.any() else None


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


def _parser() -> OptionParser:
    parser = OptionParser("bluebird evaluate", _ABOUT)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="run folder, bundle or .ckpt file")
    add("folder", type=Path, metavar="FOLDER", help="labelled pictures")
    add_target(parser)
    add("--out", type=Path, default=Path("evaluation"), metavar="OUT", help="folder to write (default: evaluation)")
    add("--prevalence", type=share, metavar="SHARE", help="speak of a database with this share of the target, too")
    add("--seed", type=at_least(0), default=0, metavar="N", help="draws the resamples of the intervals (default: 0)")
    add_device(parser)
    return parser
