from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bluebird.bundle import Validation, load_model, save_bundle
from bluebird.errors import BundleError, OutputError
from bluebird.nets import CNN, MLP, Network
from tests.bundle.example import PREPROCESSING, made


@pytest.mark.parametrize("network", [MLP(2, 16, widths=[8]), CNN(2, 16, stem=4, widths=[8], blocks=[1])])
def test_a_round_trip_gives_identical_probabilities(tmp_path: Path, network: Network) -> None:
    save_bundle(made(network), tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    images = torch.randn(5, 3, 16, 16)
    assert torch.equal(loaded.network(images), network.eval()(images))
    assert (loaded.classes, loaded.preprocessing) == (("jay", "wren"), PREPROCESSING)
    assert (loaded.data_fingerprint, loaded.metrics) == ("print", {"test/accuracy": 0.5})
    assert loaded.familiarity == [1.0, 2.5]
    assert loaded.fingerprint == made(network).fingerprint


def test_the_card_is_readable_and_complete(tmp_path: Path) -> None:
    save_bundle(made(), tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    assert card["architecture"] == "MLP"
    assert card["arguments"]["widths"] == [8]
    assert card["classes"] == ["jay", "wren"]
    assert card["preprocessing"] == {"image_size": 16, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    assert {"bluebird", "python", "torch", "torchvision", "lightning", "pillow"} == set(card["versions"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


def test_loading_a_bundle_never_unpickles(tmp_path: Path) -> None:
    save_bundle(made(), tmp_path)
    code = (
        "import pickle, sys; from pathlib import Path; from bluebird.bundle import load_model\n"
        "def refuse(event, args):\n    if event == 'pickle.find_class': raise SystemExit('unpickled')\n"
        "sys.addaudithook(refuse); load_model(Path(sys.argv[1])); print('loaded')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "loaded\n", done.stderr


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [_cut, _flip, Path.unlink])
def test_harmed_weights_are_refused_by_name(tmp_path: Path, harm) -> None:
    save_bundle(made(), tmp_path)
    harm(tmp_path / "model.safetensors")
    with pytest.raises(BundleError, match=r"model\.safetensors'.*(altered|cannot be read)"):
        load_model(tmp_path)


def test_what_it_said_of_its_val_split_is_kept_and_guarded(tmp_path: Path) -> None:
    said = Validation(torch.randn(5, 2), torch.tensor([0, 1, 1, 0, 1]))
    save_bundle(replace(made(), validation=said, temperature=1.75), tmp_path)
    model = load_model(tmp_path)
    assert model.temperature == 1.75
    assert model.validation is not None
    assert torch.equal(model.validation.logits, said.logits)
    assert torch.equal(model.validation.targets, said.targets)
    _flip(tmp_path / "validation.safetensors")
    with pytest.raises(BundleError, match=r"validation\.safetensors'.*altered"):
        load_model(tmp_path)


def test_a_truncated_card_is_refused_by_name(tmp_path: Path) -> None:
    save_bundle(made(), tmp_path)
    _cut(tmp_path / "model.json")
    with pytest.raises(BundleError, match=r"model\.json'.*truncated"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("classes", ["wren", "jay"]), ("preprocessing", {"image_size": 8, "mean": [0, 0, 0], "std": [1, 1, 1]})],
)
def test_an_altered_card_is_refused(tmp_path: Path, key: str, value: object) -> None:
    save_bundle(made(), tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(card | {key: value}))
    with pytest.raises(BundleError, match="altered since it was written"):
        load_model(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "other-1"}', '"bluebird-model-1"'])
def test_a_foreign_card_is_refused(tmp_path: Path, content: str) -> None:
    save_bundle(made(), tmp_path)
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(BundleError, match="not a Bluebird model"):
        load_model(tmp_path)


def test_where_there_is_no_model_it_is_said_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no model there; expected a folder with model\.json"):
        load_model(tmp_path / "absent")


def test_where_runs_lie_in_a_folder_the_newest_that_has_a_model_is_named(tmp_path: Path) -> None:
    for number, seconds in ((0, 100), (1, 300), (2, 200)):
        save_bundle(made(), tmp_path / f"version_{number}" / "bundle")
        os.utime(tmp_path / f"version_{number}" / "bundle" / "model.json", (seconds, seconds))
    (tmp_path / "version_3").mkdir()
    with pytest.raises(BundleError, match=r"no model there; did you mean '.*version_1'\?"):
        load_model(tmp_path)


class _Bomb:
    def __init__(self, fuse: Path) -> None:
        self.fuse = fuse

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.fuse,)


@pytest.mark.parametrize("by_torch", [True, False])
def test_a_strangers_checkpoint_is_never_executed(tmp_path: Path, by_torch: bool) -> None:
    content = {"state_dict": {}, "bluebird": _Bomb(tmp_path / "exploded")}
    path = tmp_path / "model.ckpt"
    if by_torch:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(BundleError, match="more than plain tensors and numbers"):
        load_model(path)
    assert not (tmp_path / "exploded").exists()


def test_a_text_file_as_a_checkpoint_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "notes.ckpt").write_text("all the birds I saw\n")
    with pytest.raises(BundleError, match=r"notes\.ckpt': no checkpoint, or truncated, or"):
        load_model(tmp_path / "notes.ckpt")


def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"weight": torch.ones(1)}}, tmp_path / "other.ckpt")
    with pytest.raises(BundleError, match="checkpoint of another program"):
        load_model(tmp_path / "other.ckpt")


def test_run_bundle_and_checkpoint_are_the_same_model(trained: Path) -> None:
    images = torch.randn(4, 3, 16, 16)
    (best,) = (trained / "checkpoints").glob("best-*.ckpt")
    probs = [load_model(path).network(images) for path in (trained, trained / "bundle", best)]
    assert torch.equal(probs[0], probs[1])
    torch.testing.assert_close(probs[0], probs[2], rtol=0, atol=0)


def test_a_training_leaves_the_familiarity_of_its_test_pictures(trained: Path) -> None:
    familiarity = load_model(trained).familiarity
    assert len(familiarity) == 101
    assert familiarity == sorted(familiarity)
    assert familiarity[0] < familiarity[-1]


def test_the_fingerprint_is_that_of_the_model_wherever_it_lies(trained: Path, tmp_path: Path) -> None:
    model = load_model(trained)
    save_bundle(model, tmp_path / "again")
    assert load_model(tmp_path / "again").fingerprint == model.fingerprint
    (best,) = (trained / "checkpoints").glob("best-*.ckpt")
    checkpoint = load_model(best)  # written before the last validation, so it knows neither
    assert (
        replace(checkpoint, familiarity=model.familiarity, temperature=model.temperature).fingerprint
        == model.fingerprint
    )
    assert len(model.fingerprint) == 32


def test_the_fingerprint_is_the_same_in_another_process_and_memory_order(tmp_path: Path) -> None:
    network = CNN(2, 16, stem=4, widths=[8], blocks=[1])
    save_bundle(made(network), tmp_path)
    code = (
        "import sys; from pathlib import Path; from bluebird.bundle import load_model;"
        "print(load_model(Path(sys.argv[1])).fingerprint)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == made(network).fingerprint
    assert made(network.to(memory_format=torch.contiguous_format)).fingerprint == done.stdout.strip()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/model.safetensors': cannot be written"):
        save_bundle(made(), tmp_path / "file")
