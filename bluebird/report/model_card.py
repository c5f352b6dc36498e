"""A model card: what a model is, was made from and is worth, as Markdown that can be uploaded beside it.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv 1810.03993), with the headings and the YAML
at its beginning that Hugging Face reads. What a training does not know, as a licence, is left out, not left open.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import yaml
from markupsafe import Markup

from bluebird.report.card_facts import Training, limits, wilson
from bluebird.report.markdown import fenced, one_line, render
from bluebird.report.search import Figure

NAME = "MODEL_CARD.md"
"""Of the file beside `model.json`; Hugging Face reads it as README.md."""

_FOLDED = 30  # so many classes are listed openly
_CONFUSIONS = 10
_GROUPS = ("data", "model", "early_stopping", "converged", "ema", "swa", "seed_everything", "recipe", "weights")
_TRAINER = ("max_epochs", "max_steps", "precision", "accumulate_grad_batches", "gradient_clip_val", "deterministic")
_STEPS = {
    "data": ("augment", "balanced_sampling", "batch_size"),
    "model": ("optimizer", "schedule", "warmup", "layer_decay", "unfreeze", "label_smoothing", "balance", "by_hand"),
    "trainer": ("max_epochs", "max_steps", "accumulate_grad_batches", "gradient_clip_val"),
    "early_stopping": None, "converged": None, "ema": None, "swa": None,
}  # fmt: skip
"""What has a say in an optimiser's steps alone, by groups; None for all of a group."""
_LOCAL = ("cache_dir", "num_threads")  # of the machine, not of the recipe


def model_card(training: Training) -> str:
    """The text of `MODEL_CARD.md`; the same training gives the same text.

    Paths are cut down to their last name, for a card is made to be handed on.

    Raises:
        DataError: nothing is known of what the model says of held-out pictures.
    """
    model = training.model
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    config = _settings(training)
    return render(
        "model_card",
        front=_front(training),
        training=training,
        architecture=type(model.network).__name__,
        parameters=f"{parameters:,}",
        arguments=fenced(_yaml(_shortened(model.network.arguments)), "yaml"),
        preprocessing=model.preprocessing,
        wanted=" or ".join(training.target),
        classes=list(_classes(training)),
        folded=len(model.classes) > _FOLDED,
        totals={split: f"{sum(counts):,}" for split, counts in training.data.counts.items()},
        command=fenced(shlex.join(_shortened(list(training.command))), "bash"),
        usage=fenced(_usage(training), "bash"),
        settings=fenced(_yaml(config), "yaml"),
        weights=config.get("weights"),
        seed=config.get("seed_everything"),
        results=list(_results(training)),
        confusions=_confusions(training),
        limits=list(limits(training)),
        versions=", ".join(f"{name} {version}" for name, version in training.versions.items()),
    )


def _settings(training: Training) -> dict[str, Any]:
    """What of a config decided on the result, without what was not set."""
    config = training.config
    chosen = {name: config[name] for name in _GROUPS if name in config}
    chosen["trainer"] = {name: (config.get("trainer") or {}).get(name) for name in _TRAINER}
    if not training.made.by_steps:
        chosen = {name: _without(group, _STEPS[name]) if name in _STEPS else group for name, group in chosen.items()}
    kept: dict[str, Any] = _pruned(_shortened(chosen))
    return kept


def _without(group: Mapping[str, Any] | None, names: Sequence[str] | None) -> dict[str, Any] | None:
    return None if group is None or names is None else {key: group[key] for key in group if key not in names}


def _pruned(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    pruned = {key: _pruned(entry) for key, entry in value.items() if entry is not None and key not in _LOCAL}
    return {key: entry for key, entry in pruned.items() if entry != {}}


def _shortened(value: Any) -> Any:
    """Plain values with each path, absolute or from a home or a folder above, as its last name."""
    if isinstance(value, dict):
        return {key: _shortened(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(entry) for entry in value]
    if isinstance(value, PurePath):
        value = str(value)
    if not isinstance(value, str):
        return value
    option, joined, path = value.rpartition("=") if value.startswith("--") else ("", "", value)
    away = PurePath(path).is_absolute() or path.startswith(("~", ".."))
    return option + joined + (PurePath(path).name if away else path)


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110).rstrip()


def _front(training: Training) -> Markup:
    """The YAML at the beginning, between its lines of three dashes, none of which can be inside.

    Source: the metadata of `huggingface_hub.ModelCardData`; `imagefolder` is how its library calls class folders.
    """
    results = [
        {
            "task": {"type": "image-classification", "name": "Image Classification"},
            "dataset": {"type": "imagefolder", "name": one_line(training.data.name), "split": split},
            "metrics": [
                {"type": kind, "name": one_line(name), "value": round(value, 6)} for kind, name, value in values
            ],
        }
        for split, values in _measured(training).items()
    ]
    used = dict.fromkeys(kind for values in _measured(training).values() for kind, _, _ in values)
    front = {
        "library_name": "bluebird",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "pytorch", "safetensors", "bluebird", type(training.model.network).__name__],
        "metrics": list(used),
        "model-index": [{"name": one_line(training.name), "results": results}],
    }
    return Markup(f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=10**6)}---")


def _measured(training: Training) -> dict[str, list[tuple[str, str, float]]]:
    """Figures by split as (metric, name, value)."""
    hits, pictures, split = training.accuracy()
    values = {split: [("accuracy", "Accuracy", hits / max(1, pictures))]}
    if "test/f1" in training.model.metrics:
        values.setdefault("test", []).append(("f1", "Macro F1", training.model.metrics["test/f1"]))
    if training.search is not None:
        name = f"Average precision of {' or '.join(training.target)}"
        values.setdefault(training.split, []).append(
            ("average_precision", name, training.search.average_precision.value)
        )
    return values


def _results(training: Training) -> Iterator[list[str]]:
    """Rows of measure, split, pictures, value, interval."""
    hits, pictures, split = training.accuracy()
    yield ["accuracy", split, f"{pictures:,}", *_ranged(wilson(hits, pictures), ".2%")]
    tested = f"{sum(training.data.counts['test']):,}"
    if "test/f1" in training.model.metrics:
        yield ["macro F1", "test", tested, f"{training.model.metrics['test/f1']:.4f}", ""]
    judged = [training.split, f"{len(training.answers[1]):,}"]
    wanted = " or ".join(training.target)
    if training.search is not None:
        looks = training.search.looks[0.95]
        yield [f"average precision of {wanted}", *judged, *_ranged(training.search.average_precision, ".3f")]
        yield [f"pictures to look at for 95 % of {wanted}, best first", *judged, *_ranged(looks, ",.0f")]
    yield ["expected calibration error, 15 bins", *judged, f"{training.calibration_error():.4f}", ""]


def _ranged(figure: Figure, form: str) -> tuple[str, str]:
    return f"{figure.value:{form}}", f"{figure.low:{form}} to {figure.high:{form}}"


def _classes(training: Training) -> Iterator[list[str]]:
    """Rows of class, pictures to train, validate and test, and the share of its pictures that was recognised."""
    pictures, counts = training.confusion.sum(1), training.data.counts
    for number, name in enumerate(training.model.classes):
        recall = wilson(int(training.confusion[number, number]), int(pictures[number]))
        said = "{} ({})".format(*_ranged(recall, ".0%")) if pictures[number] else "none to judge by"
        yield [name, *(f"{counts[split][number]:,}" for split in ("train", "val", "test")), said]


def _confusions(training: Training) -> list[list[str]]:
    """The commonest, as rows of class, what it was taken for, how often, and the share of its pictures."""
    counts = training.confusion.copy()
    pictures = counts.sum(1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(cell), len(counts)) for cell in order if counts.flat[cell]]
    classes: Sequence[str] = training.model.classes
    return [
        [classes[own], classes[taken], f"{counts[own, taken]:,}", f"{counts[own, taken] / pictures[own]:.0%}"]
        for own, taken in pairs
    ]


def _usage(training: Training) -> str:
    target = training.target[0] if training.target else training.model.classes[0]
    return shlex.join(["bluebird", "predict", "BUNDLE", "PICTURES", "--target", target, "--out", "finds"])
