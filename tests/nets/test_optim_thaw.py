from __future__ import annotations

from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from bluebird.errors import UsageError
from bluebird.nets import CNN
from bluebird.nets.classifier import Classifier
from bluebird.nets.thaw import check_strategy, num_thawed, thaw
from tests.nets.parted import Keep, Parted, classifier, loader, trainer


class _Watch(L.Callback):
    """What changed in each epoch, by name, and for what the optimiser keeps a state at its end."""

    def __init__(self) -> None:
        self.moved: list[set[str]] = []
        self.kept: list[int] = []

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._before = {name: value.clone() for name, value in pl_module.state_dict().items()}

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        now = pl_module.state_dict()
        self.moved.append({name for name, value in self._before.items() if not torch.equal(value, now[name])})
        self.kept.append(len(trainer.optimizers[0].state))


def test_parts_thaw_evenly_from_the_last_to_the_first() -> None:
    assert [num_thawed(epoch, 8, 0.5, 4) for epoch in range(8)] == [0, 1, 2, 3, 4, 4, 4, 4]
    assert [num_thawed(epoch, 10, 0.3, 3) for epoch in range(5)] == [0, 1, 2, 3, 3]
    assert [num_thawed(epoch, 4, 0.25, 5) for epoch in range(4)] == [0, 5, 5, 5]
    assert num_thawed(0, 8, 0.0, 4) == 4


def test_a_frozen_part_stands_still_with_its_statistics_and_a_thawed_one_moves_with_them(tmp_path: Path) -> None:
    watch = _Watch()
    trainer(tmp_path, watch, max_epochs=5).fit(classifier(unfreeze=0.8), loader(), loader())
    names = {name for name in classifier().state_dict() if name.startswith("network.")}
    for count, moved in enumerate(watch.moved):  # 4 parts in 4 of the 5 epochs
        frozen = {name for name in names if name.startswith(tuple(f"network.body.{n}." for n in range(4 - count)))}
        assert moved == names - frozen
    assert watch.kept == [2, 6, 10, 14, 18]  # two tensors of the head, four of each part


def test_the_backward_pass_ends_at_the_first_part_that_trains() -> None:
    network = Parted(2, 8)
    reached: list[bool] = []
    for part in network.blocks():
        part.register_forward_hook(lambda module, inputs, output: reached.append(output.requires_grad))
    thaw(network, step=1, total=8, unfreeze=0.5)
    network.logits(torch.randn(2, 3, 8, 8)).sum().backward()  # type: ignore[no-untyped-call]
    assert reached == [False, False, False, True]
    assert [part.training for part in network.blocks()] == reached
    assert all((parameter.grad is None) == name.startswith(("body.0", "body.1", "body.2"))
               for name, parameter in network.named_parameters())  # fmt: skip


def test_all_that_thaws_trains_save_the_statistics_that_are_frozen_for_good() -> None:
    network = Parted(2, 8, freeze="norm")
    thaw(network, step=8, total=8, unfreeze=0.5)
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert {module.training for module in network.modules() if isinstance(module, nn.BatchNorm2d)} == {False}
    assert {module.training for module in network.modules() if isinstance(module, nn.Conv2d)} == {True}


def test_statistics_that_are_frozen_for_good_stand_still_in_a_training(tmp_path: Path) -> None:
    model = classifier(network=lambda k, side: Parted(k, side, freeze="norm"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer(tmp_path, max_epochs=1).fit(model, loader(), loader())
    same = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    assert same == {name for name in before if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}


def test_a_training_in_float64_is_resumed_in_float64(tmp_path: Path) -> None:
    whole, resumed = classifier(), classifier()
    data = loader(dtype=torch.float64), loader(dtype=torch.float64)
    trainer(tmp_path, Keep(), max_epochs=3, precision="64-true").fit(whole, *data)
    run = trainer(tmp_path, max_epochs=3, precision="64-true")
    run.fit(resumed, *data, ckpt_path=tmp_path / "2.ckpt", weights_only=True)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


@pytest.mark.parametrize("stopped_after", [1, 3])
def test_a_resumed_training_ends_as_one_that_was_never_stopped(stopped_after: int, tmp_path: Path) -> None:
    whole = classifier(unfreeze=0.8, layer_decay=0.8)
    trainer(tmp_path, Keep(), max_epochs=5).fit(whole, loader(), loader())
    resumed = classifier(unfreeze=0.8, layer_decay=0.8)
    for parameter in resumed.parameters():
        nn.init.ones_(parameter)
    path = tmp_path / f"{stopped_after}.ckpt"
    trainer(tmp_path, max_epochs=5).fit(resumed, loader(), loader(), ckpt_path=path, weights_only=True)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


def test_several_devices_are_told_to_look_for_what_is_frozen(tmp_path: Path) -> None:
    check_strategy(trainer(tmp_path))
    check_strategy(L.Trainer(accelerator="cpu", devices=2, strategy=DDPStrategy(find_unused_parameters=True)))
    with pytest.raises(UsageError, match=r"--trainer\.strategy ddp_find_unused_parameters_true"):
        check_strategy(L.Trainer(accelerator="cpu", devices=2, strategy="ddp"))


@pytest.mark.parametrize("unfreeze", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(unfreeze: float) -> None:
    with pytest.raises(UsageError, match=r"model\.unfreeze is .*; expected a share from 0 up to"):
        classifier(unfreeze=unfreeze)


def test_a_network_without_parts_or_one_that_is_frozen_for_good_is_refused() -> None:
    with pytest.raises(UsageError, match=r"model\.unfreeze is 0\.5; .*CNN starts from none"):
        Classifier(("a", "b"), 16, network=CNN, unfreeze=0.5)
    with pytest.raises(UsageError, match=r"network\.freeze is body, which never thaws"):
        classifier(network=lambda k, side: Parted(k, side, freeze="body"), unfreeze=0.5)
