from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bluebird.bundle import Bundle, Preprocessing, load_model, save_bundle
from bluebird.engines import FILES
from bluebird.engines.engine import Engine
from bluebird.engines.export import export, open_export
from bluebird.engines.native import Torch
from bluebird.engines.opened import open_engine
from bluebird.errors import BundleError, OutputError, UsageError
from bluebird.nets import CNN, MLP, Backbone, Network, WhitenedCNN

NETWORKS: dict[str, Callable[[], Network]] = {
    "cnn": lambda: CNN(3, 16, stem=4, widths=[8, 12], blocks=[1, 1]),
    "mlp": lambda: MLP(3, 16, widths=[33]),
    "whitened": lambda: WhitenedCNN(3, 16, widths=[8, 12], mirror=True),
    "moved": lambda: WhitenedCNN(3, 16, widths=[8, 12], mirror=True, moved=True),
    "backbone": lambda: Backbone(3, 32, "resnet18"),
    "gated": lambda: Backbone(3, 32, "mobilenet_v3_small"),
    "covariance": lambda: Backbone(3, 64, "squeezenet1_1", pooling="covariance", mirror=True, scales=[0.7, 1.0]),
    "mirrored": lambda: Backbone(3, 32, "mobilenet_v3_small", mirror=True),
    "several scales": lambda: Backbone(3, 64, "mobilenet_v3_small", mirror=True, scales=[0.7, 1.0]),
}
SLOW = ("gated", "mirrored", "several scales", "whitened")  # more layers, longer exports; or "moved" has it as well
EXACT = ("torch", "onnx", "openvino")


def _model(name: str, seed: int = 0) -> Bundle:
    torch.manual_seed(seed)
    network = NETWORKS[name]().eval()
    return Bundle(network, ("a", "b", "c"), Preprocessing(network.image_size, [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]))


def _pixels(model: Bundle, count: int = 20) -> Tensor:
    side = model.preprocessing.image_size
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def _asked(engine: Engine, *batches: Tensor) -> list[Tensor]:
    with ThreadPoolExecutor(1, initializer=engine.enter_thread) as thread:
        return [answers.probs for answers in thread.map(engine.ask, batches)]


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.trial] if name in SLOW else []) for name in NETWORKS],
)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    """A bundle with all exports beside it."""
    model, folder = _model(request.param), tmp_path_factory.mktemp(request.param)
    save_bundle(model, folder)
    for kind in EXACT:
        check = export(model, kind, folder, _pixels(model))
        assert check.pictures == 20
        assert check.greatest_difference < 1e-5
        assert check.same_first == 1
    return model, folder


@pytest.mark.parametrize("kind", EXACT)
def test_an_export_answers_as_torch_does(exported: tuple[Bundle, Path], kind: str) -> None:
    model, folder = exported
    pixels = _pixels(model, 37)
    (got,) = _asked(open_engine(model, folder, kind)[0], pixels)
    torch.testing.assert_close(got, Engine(Torch(model), []).ask(pixels).probs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", EXACT)
def test_neither_place_nor_company_changes_the_last_bit_of_its_answer(exported: tuple[Bundle, Path], kind: str) -> None:
    model, folder = exported
    pixels = _pixels(model, 40)
    engine = open_engine(model, folder, kind)[0]
    (whole,) = _asked(engine, pixels)
    for size in (1, 7, 16):
        assert torch.equal(torch.cat(_asked(engine, *torch.split(pixels, size))), whole)


def test_a_program_that_knows_nothing_of_bluebird_reads_the_onnx_file(exported: tuple[Bundle, Path]) -> None:
    model, folder = exported
    pixels = _pixels(model)
    np.save(folder / "pixels.npy", pixels.numpy())
    code = """import sys, numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
probs, = session.run(["probs"], {"pixels": np.load(sys.argv[1] + "/pixels.npy")})
np.save(sys.argv[1] + "/probs.npy", probs)"""
    subprocess.run([sys.executable, "-c", code, folder], check=True)
    images = (pixels / 255 - torch.tensor([0.4, 0.5, 0.6])[:, None, None]) / torch.tensor([0.2, 0.25, 0.3])[
        :, None, None
    ]
    np.testing.assert_allclose(np.load(folder / "probs.npy"), model.network(images).detach().numpy(), atol=1e-5)


def test_what_it_was_made_from_and_how_it_was_checked_stands_beside_it(exported: tuple[Bundle, Path]) -> None:
    model, folder = exported
    card = json.loads((folder / "model.onnx.json").read_text())
    assert card["model"] == model.fingerprint
    assert card["check"]["pictures"] == 20
    assert {"torch", "onnxruntime"} <= card["versions"].keys()


def test_each_engine_has_a_fingerprint_of_its_own(exported: tuple[Bundle, Path]) -> None:
    model, folder = exported
    kinds = {kind: open_export(model, kind, folder)[1] for kind in EXACT} | {"": model.fingerprint}
    assert len(set(kinds.values())) == 4
    assert open_engine(model, folder, "torch")[1] == model.fingerprint


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_without_its_network_built_a_model_has_the_same_fingerprints_and_the_same_answers(
    exported: tuple[Bundle, Path], kind: str
) -> None:
    model, folder = exported
    unbuilt = load_model(folder, build=False)
    assert (unbuilt.fingerprint, unbuilt.classes) == (model.fingerprint, model.classes)
    (engine, fingerprint), (other, expected) = open_engine(unbuilt, folder, kind), open_engine(model, folder, kind)
    assert fingerprint == expected
    assert torch.equal(*(_asked(one, _pixels(model))[0] for one in (engine, other)))


def test_a_model_that_is_asked_through_an_export_needs_neither_torchvision_nor_its_network(tmp_path: Path) -> None:
    model = _model("backbone")
    save_bundle(model, tmp_path)
    export(model, "onnx", tmp_path, _pixels(model))
    code = """import sys
from pathlib import Path
from bluebird.bundle import load_model
from bluebird.engines.opened import open_engine
open_engine(load_model(Path(sys.argv[1]), build=False), Path(sys.argv[1]), "onnx")
print(*{"torchvision", "torch._dynamo", "torch.fx.experimental.optimization"} & set(sys.modules))"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_a_card_that_says_less_than_the_network_does_is_still_that_of_the_model(tmp_path: Path) -> None:
    model = _model("backbone")
    save_bundle(model, tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    del card["arguments"]["freeze"], card["card_sha256"]
    card["card_sha256"] = hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(card))
    assert load_model(tmp_path, build=False).fingerprint == load_model(tmp_path).fingerprint == model.fingerprint


def test_whole_numbers_of_8_bits_come_near(tmp_path: Path) -> None:
    model = _model("cnn")
    check = export(model, "openvino-int8", tmp_path, _pixels(model, 64))
    assert 1e-6 < check.greatest_difference < 0.1
    text = (tmp_path / "model.int8.xml").read_text()
    assert "FakeQuantize" in text
    save_bundle(model, tmp_path)
    (got,) = _asked(open_engine(model, tmp_path, "openvino-int8")[0], _pixels(model))
    torch.testing.assert_close(got, Engine(Torch(model), []).ask(_pixels(model)).probs, rtol=0, atol=0.1)


def test_an_export_of_another_model_is_refused(tmp_path: Path) -> None:
    export(_model("mlp"), "onnx", tmp_path, _pixels(_model("mlp")))
    with pytest.raises(BundleError, match="made from another model"):
        open_export(_model("mlp", seed=1), "onnx", tmp_path)


def test_an_export_of_another_model_is_refused_where_no_network_is_built_too(tmp_path: Path) -> None:
    export(_model("backbone"), "onnx", tmp_path, _pixels(_model("backbone")))
    save_bundle(_model("backbone", seed=1), tmp_path)
    with pytest.raises(BundleError, match="made from another model"):
        open_engine(load_model(tmp_path, build=False), tmp_path, "onnx")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an export to ONNX that opens."""
    folder, model = tmp_path_factory.mktemp("sound"), _model("mlp")
    export(model, "onnx", folder, _pixels(model))
    open_export(model, "onnx", folder)
    return folder


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "model.onnx").unlink(), "not there"),
        (lambda folder: (folder / "model.onnx.json").unlink(), "not there"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"\x08\x09"), "truncated or altered"),
        (lambda folder: (folder / "model.onnx.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "model.onnx.json").write_text("[]"), "truncated or altered"),
    ],
)
def test_a_damaged_export_is_refused(sound: Path, tmp_path: Path, harm: Callable[[Path], object], words: str) -> None:
    folder = shutil.copytree(sound, tmp_path / "damaged")
    harm(folder)
    with pytest.raises(BundleError, match=f"{words}.*bluebird export MODEL --to onnx"):
        open_export(_model("mlp"), "onnx", folder)


def test_without_an_export_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    save_bundle(_model("mlp"), tmp_path)
    with pytest.raises(BundleError, match=r"model\.xml.*not there; write it with: bluebird export MODEL --to openvino"):
        open_engine(_model("mlp"), tmp_path, "openvino")


def test_other_engines_want_no_gpu_and_no_checkpoint(tmp_path: Path) -> None:
    save_bundle(_model("mlp"), tmp_path)
    with pytest.raises(UsageError, match="computes on the CPU"):
        open_engine(_model("mlp"), tmp_path, "onnx", torch.device("meta"))
    with pytest.raises(UsageError, match="a checkpoint has no export"):
        open_engine(_model("mlp"), tmp_path / "last.ckpt", "onnx")


class Branching(MLP):
    """Its Python looks at the numbers, which no exporter can follow."""

    def features(self, images: Tensor) -> Tensor:
        return super().features(images) if images.sum() > 0 else super().features(-images)


def test_a_network_that_cannot_be_written_is_refused_in_a_line_and_nothing_is_left(tmp_path: Path) -> None:
    model = Bundle(Branching(3, 16, widths=[9]).eval(), ("a", "b", "c"), Preprocessing(16, [0.5] * 3, [0.2] * 3))
    with pytest.raises(BundleError, match="cannot be written for onnx") as refused:
        export(model, "onnx", tmp_path, _pixels(model))
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    model = _model("mlp")
    with pytest.raises(OutputError, match=r"gone.*cannot be written \(No such file"):
        export(model, "torch", tmp_path / "gone", _pixels(model))


@pytest.mark.parametrize("kind", [k if k != "openvino" else pytest.param(k, marks=pytest.mark.trial) for k in FILES])
def test_an_export_tells_nobody(tmp_path: Path, kind: str) -> None:
    """Two of the libraries report to their makers, and keep a number for this machine at home, unless told not to."""
    save_bundle(_model("mlp"), tmp_path / "bundle")
    home = tmp_path / "home"
    home.mkdir()
    code = """import sys, warnings, torch
warnings.simplefilter("ignore")
from pathlib import Path
from bluebird.bundle import load_model
from bluebird.engines.opened import open_engine
from bluebird.engines.export import export
folder, kind = Path(sys.argv[1]), sys.argv[2]
model = load_model(folder)
export(model, kind, folder, torch.zeros(8, 3, 16, 16, dtype=torch.uint8))
if kind != "torch":
    open_engine(model, folder, kind)"""
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "bundle", kind], env=environment, check=True,
                          capture_output=True, cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.returncode == 0
    assert [path.name for path in home.rglob("*") if path.is_file()] == []
