from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger

from bluebird.errors import UsageError
from bluebird.nets import CNN
from bluebird.nets.classifier import Classifier
from bluebird.nets.optim import build_optimizer
from tests.nets.parted import Parted, classifier, loader, trainer


def _sgd(groups: object) -> torch.optim.SGD:
    return torch.optim.SGD(groups, lr=0.1, weight_decay=0.0)  # type: ignore[arg-type]


def test_each_part_moves_at_a_share_of_the_rate_of_the_part_after_it() -> None:
    torch.manual_seed(0)
    network = Parted(2, 8)
    optimizer = build_optimizer(_sgd, network, layer_decay=0.5)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    rates = {"body.0": 0.1 / 16, "body.1": 0.1 / 8, "body.2": 0.1 / 4, "body.3": 0.1 / 2, "head.w": 0.1, "head.b": 0.1}
    for name, parameter in network.named_parameters():
        moved = before[name] - parameter.detach()
        torch.testing.assert_close(moved, torch.full_like(moved, rates[name[:6]]), rtol=1e-4, atol=1e-7)


def test_every_parameter_is_in_one_group_and_those_of_one_axis_are_not_decayed() -> None:
    network = Parted(2, 8)
    optimizer = build_optimizer(torch.optim.AdamW, network, layer_decay=0.9)
    grouped = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, network.parameters()))
    for group in optimizer.param_groups:
        assert {parameter.ndim > 1 for parameter in group["params"]} == {group["weight_decay"] > 0}


def test_without_layer_decay_there_is_one_rate() -> None:
    optimizer = build_optimizer(_sgd, Parted(2, 8))
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]


def test_the_schedule_keeps_the_ratio_of_the_rates_and_their_curves_have_names(tmp_path: Path) -> None:
    model = classifier(layer_decay=0.5, optimizer=_sgd, schedule="linear")
    monitor = LearningRateMonitor("step")
    run = trainer(tmp_path, monitor, max_epochs=2)
    run.logger = CSVLogger(tmp_path)
    run.fit(model, loader(), loader())
    head, first = monitor.lrs["lr-SGD/head.decayed"], monitor.lrs["lr-SGD/part0.decayed"]
    assert len(head) == 8
    assert head[0] > head[-1] > 0
    assert first == pytest.approx([rate / 16 for rate in head])


@pytest.mark.parametrize("layer_decay", [0.0, -0.5, 1.5, float("nan")])
def test_a_factor_out_of_range_is_refused(layer_decay: float) -> None:
    with pytest.raises(UsageError, match=r"model\.layer_decay is .*; expected a factor above 0, up to 1"):
        classifier(layer_decay=layer_decay)


def test_a_network_that_starts_from_drawn_weights_is_refused() -> None:
    with pytest.raises(UsageError, match=r"model\.layer_decay is 0\.5; .*CNN starts from none"):
        Classifier(("a", "b"), 16, network=CNN, layer_decay=0.5)
