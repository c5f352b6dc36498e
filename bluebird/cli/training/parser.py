"""The options of `bluebird train`: the typed signatures of data, model and trainer, by LightningCLI."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import Any, Literal, NoReturn

import lightning as L
import yaml
from jsonargparse import DefaultHelpFormatter
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from bluebird.callbacks import Converged, MovingAverage, StochasticAverage
from bluebird.cli.choose import DEFAULT_TARGET, choose_watched
from bluebird.cli.mute import mute_c_libraries
from bluebird.cli.settings import check_trainer
from bluebird.cli.training.arguments import complete, says
from bluebird.cli.training.devices import check_devices
from bluebird.cli.training.native import preprocessing_of
from bluebird.errors import BluebirdError, UsageError
from bluebird.nets.classifier import Classifier
from bluebird.nets.sharded import offer
from bluebird.pixels.datamodule import BirdData
from bluebird.transfer import RECIPES
from bluebird.twins import ByHandClassifier, GradientAudit

_USAGE = "bluebird train [--config FILE] [--resume RUN] [--name NAME] [--KEY.KEY VALUE ...]"
_ABOUT = """Learn to tell birds apart from labelled pictures.

  bluebird train                                          the MLP on painted birds
  bluebird train --config configs/cnn.yaml                the CNN on painted birds
  bluebird train --config configs/cnn.yaml --data.root my_birds --trainer.max_epochs 40
  bluebird train --resume runs/cnn/version_0              go on after an interruption

my_birds holds one folder of pictures for each class, or train/, val/ and test/ with such folders, or
is a CSV file with the columns path,label[,split]. --print_config shows every setting; a file of them is
taken by --config, several are merged, and what stands behind them on the command line wins."""

_TRAINER = {
    "max_epochs": 20,
    "devices": 1,  # on more of them batches and numbers are others: whoever wants that says so
    "deterministic": "warn",  # as far as the device can; an operation that cannot is no reason to stop
    "enable_progress_bar": False,  # Bluebird has its own
    "enable_model_summary": False,  # and its own table of layers
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 10,
}


def make_classifier(by_hand: bool = False, **kwargs: Any) -> Classifier:
    """A classifier that learns by autograd, or by hand.

    Args:
        by_hand: train without autograd, by the layers of bluebird/scratch.
    """
    if by_hand:
        return ByHandClassifier(**kwargs)
    return Classifier(**kwargs)


class KeepLines(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """The help of LightningCLI, with the line breaks of the description left as they are."""


_HELP = " (see bluebird train --help)"
_NESTED = re.compile(
    r"Does not validate against any of the Union subtypes .*? Errors: - (.*?) - Expected a <class 'None.*"
)
"""How jsonargparse refuses a setting that may also be left out, as a network; what of it tells why is the group."""


_CHOICE = re.compile(r"Expected a typing\.Literal\[(.*?)\]")


class OneLineParser(LightningArgumentParser):
    """Says in one line what is wrong with a config, and which key was probably meant."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        text = re.sub(r"\s+", " ", message).strip()
        if "surrogates not allowed" in text:
            raise UsageError(f"{text.partition(': ')[0]}: the path holds bytes that are no UTF-8; reach it by a link")
        text = _NESTED.sub(r"\1", text.replace(_HELP, ""))
        text = _CHOICE.sub(lambda choice: "expected " + choice[1].replace("'", "").replace(", ", " or "), text)
        raise UsageError(text + self._nearest(text) + _HELP)

    def _nearest(self, text: str) -> str:
        unknown = re.search(r"option '([\w.]+)'|[Kk]ey '([\w.]+)'|--([\w.]+)", text)
        if unknown is None:
            return ""
        group = re.search(r"Group '([\w.]+)' does not accept", text)
        name = (f"{group[1]}." if group else "") + next(filter(None, unknown.groups()))
        known = [action.dest for action in self._actions]
        near = difflib.get_close_matches(name, known, n=1)
        return f"; did you mean {near[0]}?" if near else ""


class TrainCLI(LightningCLI):
    """Parses, reads the data, and builds the model that fits it; the trainer is built on request."""

    datamodule: BirdData
    model: Classifier

    def __init__(self, arguments: list[str]) -> None:
        arguments = complete(arguments)
        offer()
        super().__init__(
            make_classifier,
            BirdData,
            save_config_callback=None,
            trainer_defaults=dict(_TRAINER),  # of its own: a trainer's callbacks are put there
            seed_everything_default=0,
            parser_kwargs={
                "prog": "bluebird train",
                "usage": _USAGE,
                "description": _ABOUT,
                "formatter_class": KeepLines,
            },
            parser_class=OneLineParser,
            args=arguments,
            run=False,
            auto_configure_optimizers=False,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--name", type=str, default="mlp", help="name of the run: RUNS_DIR/NAME/version_N")
        parser.add_argument("--runs_dir", type=str, default="runs", help="where runs are kept")
        parser.add_argument(
            "--target", type=str, default=DEFAULT_TARGET, help="class whose search is watched, or a part of its name"
        )
        parser.add_argument(
            "--weights", type=str | None, metavar="FILE", help="that a Backbone starts from; hub: its library's own"
        )
        parser.add_argument(
            "--recipe",
            type=Literal["auto", *RECIPES],
            default="auto",
            help="how weights become a classifier of other classes (default: what fits the number of pictures)",
        )
        parser.add_argument(
            "--find",
            type=Literal["lr", "batch_size"] | None,
            default=None,
            help="try what is hard to guess, say it, and stop",
        )
        parser.add_argument(
            "--seeds", type=str | None, metavar="N", help="how many seeds (3), or which (0,1,5), one after the other"
        )
        parser.add_argument("--resume", type=str, metavar="RUN", help="run folder to go on with")
        parser.add_lightning_class_args(EarlyStopping, "early_stopping")
        parser.set_defaults({"early_stopping.monitor": "val/loss", "early_stopping.patience": 10})
        parser.add_lightning_class_args(Converged, "converged")
        parser.add_lightning_class_args(MovingAverage, "ema")
        parser.add_lightning_class_args(StochasticAverage, "swa")
        parser.add_lightning_class_args(GradientAudit, "audit")
        parser.link_arguments("seed_everything", "data.seed")
        for target, source in (
            ("classes", lambda data: _ready(data).classes),
            ("image_size", lambda data: _ready(data).image_size),
            ("class_counts", lambda data: _ready(data).class_counts),
        ):
            parser.link_arguments("data", f"model.{target}", source, apply_on="instantiate")

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:  # what a link between data and model raised, wrapped
            if isinstance(error.__cause__, BluebirdError):
                raise error.__cause__ from None
            raise

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        self.config = parser.parse_args(args)  # type: ignore[arg-type]
        check_devices(self.config.trainer)
        check_trainer(self.config.trainer)
        if self.config.seeds:
            raise UsageError("seeds is in a config; say --seeds on the command line")
        self._follow_weights(list(args))  # type: ignore[arg-type]

    def watched(self) -> list[str]:
        """The class whose search is watched, if any.

        Raises:
            UsageError: --target means none or several.
        """
        return choose_watched(self.datamodule.classes, self.config.target)

    def settings(self) -> dict[str, Any]:
        """The resolved config, as `config.yaml` holds it."""
        config: dict[str, Any] = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
        return config

    def _follow_weights(self, arguments: list[str]) -> None:
        """Pictures become what the weights were trained on, and its statistics stay, where nobody says otherwise."""
        wanted = preprocessing_of(self.config)
        if wanted is None:
            return
        data = self.config.data
        if not says(arguments, "data", "image_size"):
            data.image_size = wanted.image_size
        data.mean, data.std = data.mean or wanted.mean, data.std or wanted.std
        if not any(says(arguments, "model", "network", *key) for key in (("freeze",), ("init_args", "freeze"))):
            self.config.model.network.init_args.freeze = "norm"  # those of a few pictures would spoil the features

    def instantiate_trainer(self, extra: list[L.Callback] | None = None, **kwargs: Any) -> L.Trainer:
        """The trainer with `extra` callbacks. LightningCLI asks before there is a run folder; it waits."""
        if extra is None:
            return None  # type: ignore[return-value]
        self.trainer_defaults["callbacks"] = extra
        return super().instantiate_trainer(**kwargs)


class ParsedConfig(TrainCLI):
    """The config alone, checked: no data is read and no model built."""

    def instantiate_classes(self) -> None:
        return


def _ready(data: BirdData) -> BirdData:
    with mute_c_libraries():
        data.setup()
    return data
