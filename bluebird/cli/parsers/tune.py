"""What `bluebird tune` is asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bluebird.cli.options import OptionParser, at_least

_ABOUT = """Search for the settings with which a network learns best: many trainings, each judged by its val split.

  bluebird tune --config configs/cnn.yaml --space configs/spaces/cnn.yaml --trials 30 --out tuned
  bluebird tune --config configs/cnn.yaml --space my_space.yaml --data.root my_birds --trainer.max_epochs 10

SPACE holds what each setting may be:

  model.optimizer.init_args.lr: {low: 1e-4, high: 1e-1, log: true}
  model.network.init_args.dropout: {low: 0, high: 0.5, step: 0.1}
  data.batch_size: [64, 128, 256]

Whatever else is said is handed on to each training, as `bluebird train` takes it (--config FILE, --KEY.KEY VALUE).
Trials are drawn by Optuna (pip install 'bluebird[tune]'); one that promises little is ended early. The same command
goes on with a search that was interrupted, or adds trials to it. The test split is not looked at.

  best.yaml       the config of the best trial, for bluebird train --config
  trials.csv      every trial
  history.png     how the search went
  slices.png      what each setting did
  trials.sqlite   Optuna's own record

exit codes: 0 done; 2 cannot be done as asked; 130 interrupted"""

_METRICS = ("val/accuracy", "val/f1", "val/loss")


def parse(arguments: list[str]) -> Namespace:
    """The options, with `training`: the arguments of every training, which are not understood here."""
    options, training = _parser().parse_known_args(arguments)
    options.training = training
    return options


def _parser() -> OptionParser:
    parser = OptionParser("bluebird tune", _ABOUT)
    add = parser.add_argument
    add("--space", type=Path, required=True, metavar="SPACE", help="YAML file: what each setting may be")
    add("--trials", type=at_least(1), default=30, metavar="N", help="trials in all (default: 30)")
    add("--out", type=Path, default=Path("tuned"), metavar="OUT", help="write here (default: tuned)")
    add("--metric", choices=_METRICS, default=_METRICS[0], help="what a trial is judged by (default: val/accuracy)")
    add("--seed", type=at_least(0), default=0, help="of the draws; --seed_everything is that of each training")
    add("--no-prune", dest="prune", action="store_false", help="let each training go to its end")
    return parser
