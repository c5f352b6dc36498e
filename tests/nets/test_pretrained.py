from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision import models

from bluebird.bundle import Bundle, Preprocessing, save_bundle
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


def resnet(**options: Any) -> dict[str, Tensor]:
    torch.manual_seed(3)
    return models.resnet18(weights=None, **options).state_dict()


def first(network: Backbone) -> Tensor:
    return network.body.state_dict()["layer4.1.conv2.weight"]


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


WRAPPED: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "data parallel": lambda state: prefixed("module.", state),
    "compiled and parallel": lambda state: prefixed("module._orig_mod.", state),
    "lightning": lambda state: {"epoch": 3, "state_dict": prefixed("model.", state), "loops": {}},
    "torchvision": lambda state: {"model": prefixed("module.", state), "args": Namespace(lr=0.1), "epoch": 3},
    "average": lambda state: {
        "model": {name: torch.zeros_like(value) for name, value in state.items()},
        "model_ema": {"n_averaged": torch.tensor(7)} | prefixed("module.", state),
    },
    "timm": lambda state: {"arch": "resnet18", "state_dict": state, "args": Namespace(lr=0.1), "optimizer": {}},
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_what_trainers_wrap_round_weights_is_taken_off(kind: str, tmp_path: Path) -> None:
    state = resnet(num_classes=7)
    torch.save(WRAPPED[kind](state), tmp_path / "w.pth")
    network = Backbone(3, 32)
    assert "its head of 7 classes is left out" in load_pretrained(network, tmp_path / "w.pth")
    assert torch.equal(first(network), state["layer4.1.conv2.weight"])


def test_a_head_of_as_many_classes_is_taken_and_said_to_be(tmp_path: Path) -> None:
    other = models.resnet18(weights=None, num_classes=3).eval()
    torch.save(other.state_dict(), tmp_path / "w.pth")
    network, images = Backbone(3, 32).eval(), torch.randn(2, 3, 32, 32)
    assert "its head is taken too" in load_pretrained(network, str(tmp_path / "w.pth"))
    torch.testing.assert_close(network.logits(images), other(images))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: {name: s[name] for name in list(s)[6:]}, "'conv1.weight' is missing, 'bn1.weight' is missing, 'b"),
        (lambda s: s | {"conv1.weight": torch.zeros(64, 3, 3, 3)}, r"'conv1.weight' is \(64, 3, 3, 3\) instead"),
        (lambda s: s | {f"layer1.{n}.w": torch.ones(1) for n in range(5)}, "'layer1.2.w' is one too many, and 2 m"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_the_first_three_and_the_count(change: Any, said: str, tmp_path: Path) -> None:
    torch.save(change(resnet()), tmp_path / "w.pth")
    network = Backbone(3, 32)
    before = first(network).clone()
    with pytest.raises(BundleError, match=f"w.pth': not the weights of a resnet18: .*{said}"):
        load_pretrained(network, tmp_path / "w.pth")
    assert torch.equal(first(network), before)


def test_weights_of_a_deeper_network_of_the_same_shapes_are_refused(tmp_path: Path) -> None:
    torch.save(models.resnet34(weights=None).state_dict(), tmp_path / "w.pth")
    with pytest.raises(BundleError, match=r"not the weights of a resnet18: .* is one too many"):
        load_pretrained(Backbone(3, 32), tmp_path / "w.pth")


def test_a_payload_in_what_a_trainer_wrote_is_not_executed(tmp_path: Path) -> None:
    torch.save({"state_dict": resnet(), "args": Namespace(bomb=_Bomb(tmp_path / "exploded"))}, tmp_path / "w.pth")
    with pytest.raises(BundleError, match="more than plain tensors"):
        load_pretrained(Backbone(3, 32), tmp_path / "w.pth")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_truncated_file_is_refused_in_one_line(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"w.{ending}"
    (torch.save if ending == "pth" else save_file)(resnet(), path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BundleError, match=rf"w\.{ending}'") as refusal:
        load_pretrained(Backbone(3, 32), path)
    assert "\n" not in str(refusal.value)


def bundle(network: Backbone, folder: Path) -> Path:
    classes = tuple("abcdefgh"[: network.num_classes])
    save_bundle(Bundle(network, classes, Preprocessing(32, [0.5] * 3, [0.5] * 3)), folder)
    return folder


def test_the_body_of_another_model_is_taken_and_its_head_left_out(tmp_path: Path) -> None:
    other, network = Backbone(3, 32), Backbone(3, 32)
    head = network.head.weight.clone()
    bundle(other, tmp_path / "version_0" / "bundle")
    assert load_pretrained(network, tmp_path / "version_0").endswith("its head is left out")  # a run folder
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(network.eval().features(images), other.eval().features(images))
    assert torch.equal(network.head.weight, head)


def test_a_folder_that_is_no_model_of_the_same_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"model\.json': not there; expected a file of weights or a model's folder"):
        load_pretrained(Backbone(3, 32), tmp_path)
    folder = bundle(Backbone(3, 32), tmp_path / "model")
    with pytest.raises(BundleError, match="the model is a resnet18; expected a mobilenet_v2"):
        load_pretrained(Backbone(3, 32, "mobilenet_v2"), folder)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(BundleError, match="truncated or altered"):
        load_pretrained(Backbone(3, 32), folder)


def test_the_hub_gives_what_it_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own file lies where torch keeps it, so that nothing is fetched."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    kept = tmp_path / "hub" / "checkpoints" / Path(models.ResNet18_Weights.DEFAULT.url).name
    kept.parent.mkdir(parents=True)
    torch.save(resnet(), kept)
    network = Backbone(3, 32)
    said = load_pretrained(network, "hub")
    assert said.startswith("resnet18 starts from https://download.pytorch.org/models/resnet18-")
    assert torch.equal(first(network), resnet()["layer4.1.conv2.weight"])


@pytest.mark.parametrize("side", [64, 96])
def test_positions_of_a_vit_are_drawn_to_the_size_of_the_pictures(side: int, tmp_path: Path) -> None:
    """Positions that rise evenly over the grid still do at another size, away from its edges, by the same span."""
    state = models.vit_b_32(weights=None, image_size=256).state_dict()
    grid = torch.linspace(0, 1, 8).view(8, 1).expand(8, 8).reshape(1, 64, 1).expand(1, 64, 768)
    state["encoder.pos_embedding"] = torch.cat([torch.full((1, 1, 768), 5.0), grid], dim=1)
    torch.save(state, tmp_path / "w.pth")
    network = Backbone(3, side, "vit_b_32")
    load_pretrained(network, tmp_path / "w.pth")
    got = network.body.state_dict()["encoder.pos_embedding"]
    count = side // 32
    rows = got[0, 1:, 0].view(count, count)
    assert (got[0, 0] == 5).all()
    torch.testing.assert_close(rows, torch.linspace(0, 1, count).view(-1, 1).expand(count, count), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "side", "other_side"),
    [("convnext_atto", 32, 32), ("mobilenetv3_small_050", 32, 32), ("vit_tiny_patch16_224", 64, 48),
     ("deit_tiny_distilled_patch16_224", 32, 32), ("timm/efficientvit_b0", 32, 32)],
)  # fmt: skip
def test_timms_files_are_read_with_timms_names(name: str, side: int, other_side: int, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    options = {"img_size": other_side} if other_side != 32 or "deit" in name else {}
    other = timm.create_model(name.removeprefix("timm/"), num_classes=7, **options).eval()
    torch.save(other.state_dict(), tmp_path / "w.pth")
    network = Backbone(3, side, name).eval()
    assert "its head of 7 classes is left out" in load_pretrained(network, tmp_path / "w.pth")
    if side == other_side:
        images = torch.randn(2, 3, side, side)
        expected = other.forward_head(other.forward_features(images), pre_logits=True)
        torch.testing.assert_close(network.features(images), expected)
