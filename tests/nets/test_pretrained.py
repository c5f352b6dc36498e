from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision import models

from bluebird.errors import BundleError, UsageError
from bluebird.nets import CNN, Backbone
from bluebird.nets.pretrained import load_pretrained

Save = Callable[[dict[str, Tensor], Path], Any]


@pytest.mark.parametrize(("save", "ending"), [(torch.save, "pth"), (save_file, "safetensors")])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_features_are_those_of_the_network_that_was_trained(tmp_path: Path, name: str, save: Save, ending: str) -> None:
    other = models.get_model(name, weights=None, num_classes=7).eval()
    save({key: value.contiguous() for key, value in other.state_dict().items()}, tmp_path / f"w.{ending}")
    network = Backbone(3, 32, name).eval()
    load_pretrained(network, tmp_path / f"w.{ending}")
    images = torch.randn(2, 3, 32, 32)
    last = other.fc if name == "resnet18" else other.classifier[1]
    seen: list[Tensor] = []
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        other(images)
        torch.testing.assert_close(network.features(images), seen[0])


def test_weights_of_another_architecture_are_refused_by_name(tmp_path: Path) -> None:
    torch.save(models.resnet18(weights=None).state_dict(), tmp_path / "w.pth")
    with pytest.raises(BundleError, match=r"w\.pth': not the weights of a mobilenet_v2: '.*' is missing"):
        load_pretrained(Backbone(3, 32, "mobilenet_v2"), tmp_path / "w.pth")


def test_a_network_without_a_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CNN has none; choose"):
        load_pretrained(CNN(3, 16, stem=4, widths=[8], blocks=[1]), tmp_path / "w.pth")


class _Bomb:
    def __init__(self, fuse: Path) -> None:
        self.fuse = fuse

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.fuse,)


def test_a_strangers_pickle_is_never_executed(tmp_path: Path) -> None:
    torch.save({"a": _Bomb(tmp_path / "exploded")}, tmp_path / "w.pth")
    with pytest.raises(BundleError, match="more than plain tensors"):
        load_pretrained(Backbone(3, 32, "resnet18"), tmp_path / "w.pth")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("content", [None, b"", b"no weights", [1, 2]])
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_what_is_no_state_dict_is_refused_in_one_line(tmp_path: Path, content: Any, ending: str) -> None:
    path = tmp_path / f"w.{ending}"
    if isinstance(content, list):
        torch.save(content, path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=rf"w\.{ending}'") as refusal:
        load_pretrained(Backbone(3, 32, "resnet18"), path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("freeze", "moved"), [("nothing", True), ("norm", True), ("body", False)])
def test_what_is_frozen_stays_as_it_was(freeze: Any, moved: bool) -> None:
    network = Backbone(3, 32, "mobilenet_v2", freeze=freeze)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 0.1)
    network.logits(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    after = network.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert {"head.weight", "head.bias"} <= changed
    assert any(name.startswith("body") and name.endswith("weight") for name in changed) == moved
    assert any(name.endswith("running_mean") for name in changed) == (freeze == "nothing")
