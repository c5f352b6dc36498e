from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from bluebird.callbacks import MovingAverage, StochasticAverage
from bluebird.errors import UsageError
from bluebird.nets.classifier import Classifier
from tests.nets.parted import Keep, classifier, loader, trainer

Weights = dict[str, Tensor]


class _Watch(L.Callback):
    """The weights after each step, and those that each validation saw."""

    def __init__(self) -> None:
        self.after: list[Weights] = []
        self.validated: list[Weights] = []

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        self.after.append(_copy(pl_module))

    def on_validation_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        self.validated.append(_copy(pl_module))


def _copy(module: L.LightningModule) -> Weights:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _averaged(steps: list[Weights], decay: float) -> Weights:
    """The recursion, in float64; the count of batches is that of the last step."""
    average = {name: value.double() for name, value in steps[0].items()}
    for number, weights in enumerate(steps[1:], start=2):
        d = min(decay, number / (9 + number))
        average = {name: d * value + (1 - d) * weights[name].double() for name, value in average.items()}
    counts = {name: value for name, value in steps[-1].items() if not value.is_floating_point()}
    return average | counts


def _same(one: Weights, other: Weights) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def _close(one: Weights, other: Weights) -> None:
    for name, value in one.items():
        torch.testing.assert_close(value, other[name].to(value.dtype), rtol=1e-5, atol=1e-6, msg=name)


def _fit(
    folder: Path, decay: float | None, epochs: int = 4, dtype: torch.dtype = torch.float32, **settings: Any
) -> tuple[Classifier, _Watch]:
    model, watch = classifier(), _Watch()
    run = trainer(folder, watch, MovingAverage(decay), Keep(), max_epochs=epochs, **settings)
    run.fit(model, loader(dtype=dtype), loader(batch_size=32, dtype=dtype))
    return model, watch


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_each_validation_sees_the_average_so_far_and_training_goes_on_without_it(decay: float, tmp_path: Path) -> None:
    model, watch = _fit(tmp_path, decay)
    _, plain = _fit(tmp_path, None)
    assert len(watch.after) == 16
    for epoch, seen in enumerate(watch.validated, start=1):
        _close(seen, _averaged(watch.after[: 4 * epoch], decay))
        assert not _same(seen, watch.after[4 * epoch - 1])
    assert all(_same(one, other) for one, other in zip(watch.after, plain.after, strict=True))
    assert _same(_copy(model), watch.validated[-1])


def test_a_short_training_is_not_judged_by_its_beginning(tmp_path: Path) -> None:
    _, watch = _fit(tmp_path, 0.9999, epochs=8)
    name = "network.head.weight"
    first, last, average = watch.after[0][name], watch.after[-1][name], watch.validated[-1][name]
    assert (average - last).norm() < 0.25 * (
        first - last
    ).norm()  # of a plain average with 0.9999 it would be all of it


def test_a_step_is_averaged_once_where_it_takes_several_batches(tmp_path: Path) -> None:
    _, watch = _fit(tmp_path, 0.5, epochs=2, accumulate_grad_batches=2)
    steps = watch.after[1::2]
    statistics = [name for name in steps[0] if "running" in name]
    expected = _averaged(steps, 0.5)
    _close({name: value for name, value in watch.validated[-1].items() if name in statistics}, expected)
    _close(watch.validated[-1], expected)


def test_a_checkpoint_and_what_is_tested_by_it_are_the_average_that_was_validated(tmp_path: Path) -> None:
    model, watch = classifier(), _Watch()
    best = ModelCheckpoint(tmp_path, "best", monitor="val/loss", mode="max")  # the first epoch is not the last
    run = trainer(tmp_path, best, watch, MovingAverage(0.8), max_epochs=4)
    data = loader(batch_size=32)
    run.fit(model, loader(), data)
    kept = torch.load(tmp_path / "best.ckpt", weights_only=True)
    epoch = kept["epoch"]
    assert epoch == 0
    assert _same(watch.validated[epoch], kept["state_dict"])
    assert not _same(watch.after[4 * epoch + 3], kept["state_dict"])
    assert _same(watch.after[4 * epoch + 3], kept["current_model_state"])
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    (tested,) = run.test(model, data, ckpt_path="best", weights_only=True, verbose=False)
    assert _same(_copy(model), watch.validated[epoch])
    assert tested["test/loss"] == pytest.approx(float(best.best_model_score or 0), rel=1e-6)
    run.validate(model, data, verbose=False)
    assert float(run.callback_metrics["val/loss"]) == pytest.approx(tested["test/loss"], rel=1e-6)
    assert _same(_copy(model), watch.validated[epoch])


@pytest.mark.parametrize(("precision", "dtype"), [("32-true", torch.float32), ("64-true", torch.float64)])
def test_a_resumed_training_has_the_same_average(precision: str, dtype: torch.dtype, tmp_path: Path) -> None:
    whole, watch = _fit(tmp_path, 0.9, dtype=dtype, precision=precision)
    assert watch.validated[-1]["network.head.weight"].dtype == dtype
    resumed, later = classifier(), _Watch()
    for parameter in resumed.parameters():
        torch.nn.init.zeros_(parameter)
    run = trainer(tmp_path, later, MovingAverage(0.9), Keep(), max_epochs=4, precision=precision)
    data = loader(dtype=dtype), loader(batch_size=32, dtype=dtype)
    run.fit(resumed, *data, ckpt_path=tmp_path / "2.ckpt", weights_only=True)
    assert all(_same(one, other) for one, other in zip(watch.after[8:], later.after, strict=True))
    assert all(_same(one, other) for one, other in zip(watch.validated[2:], later.validated, strict=True))
    assert _same(_copy(whole), _copy(resumed))


def test_without_a_decay_nothing_is_averaged_and_a_checkpoint_is_as_ever(tmp_path: Path) -> None:
    _, watch = _fit(tmp_path, None)
    assert _same(watch.validated[-1], watch.after[-1])
    kept = torch.load(tmp_path / "4.ckpt", weights_only=True)
    assert "current_model_state" not in kept
    assert _same(kept["state_dict"], watch.after[-1])


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(UsageError, match=r"ema\.decay is .*; expected a share above 0 and below 1"):
        MovingAverage(decay)


@pytest.mark.parametrize(("start", "first"), [(0.5, 8), (0.0, 0)])
def test_stochastic_averaging_counts_the_last_steps_alike(start: float, first: int, tmp_path: Path) -> None:
    model, watch = classifier(), _Watch()
    run = trainer(tmp_path, watch, StochasticAverage(start), Keep(), max_epochs=4)
    run.fit(model, loader(), loader(batch_size=32))
    for epoch, seen in enumerate(watch.validated, start=1):
        steps = watch.after[min(first, 4 * epoch - 1) : 4 * epoch]
        names = [name for name in seen if seen[name].is_floating_point()]
        _close({name: seen[name] for name in names}, {name: _mean(steps, name) for name in names})
    resumed, later = classifier(), _Watch()
    run = trainer(tmp_path, later, StochasticAverage(start), Keep(), max_epochs=4)
    run.fit(resumed, loader(), loader(batch_size=32), ckpt_path=tmp_path / "3.ckpt", weights_only=True)
    assert _same(watch.validated[-1], later.validated[-1])


def _mean(steps: list[Weights], name: str) -> torch.Tensor:
    return torch.stack([step[name] for step in steps]).mean(0)


@pytest.mark.parametrize("start", [1.0, -0.1, float("nan")])
def test_a_start_that_is_no_share_is_refused(start: float) -> None:
    with pytest.raises(UsageError, match=r"swa\.start is .*; expected a share of all steps"):
        StochasticAverage(start)


def test_two_averages_at_once_are_refused(tmp_path: Path) -> None:
    run = trainer(tmp_path, MovingAverage(0.9), StochasticAverage(0.5), max_epochs=1)
    with pytest.raises(UsageError, match=r"ema\.decay and swa\.start are both set"):
        run.fit(classifier(), loader(), loader(batch_size=32))
