"""From somebody's weights to a tested model, as a user asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import torch
import yaml
from torchvision import models

from bluebird.bundle import Bundle, Validation, load_model
from bluebird.cli import main
from bluebird.engines.engine import Engine, Fetch
from bluebird.pixels.datamodule import BirdData
from bluebird.pixels.transforms import eval_transform
from bluebird.report.board import Board
from tests.conftest import MakeFolder, write_folder

NETWORK = ["--model.network", "bluebird.nets.Backbone", "--model.network.init_args.name", "mobilenet_v3_small"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as a stranger keeps it: the state dict of a whole network, head and all."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "mobilenet.pth"
    torch.save(models.mobilenet_v3_small(weights=None).state_dict(), file)
    return file


def train(root: Path, runs: Path, weights: Path | str, *more: str) -> int:
    options = ["--data.root", str(root), "--runs_dir", str(runs), "--name", "small", "--target", "blue", *NETWORK]
    small = ["--data.image_size", "32", "--data.batch_size", "8", "--trainer.accelerator", "cpu"]
    return main(["train", *options, *small, "--trainer.max_epochs", "1", "--weights", str(weights), *more])


def run_of(runs: Path) -> Path:
    return runs / "small" / "version_0"


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("recipes") / "birds", 16, ("blue", "red"))


Trained = Callable[[str], tuple[Path, str]]


@pytest.fixture(scope="module")
def trained_by(birds: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The run folder of a training of these birds by a recipe, and what it said; for all who ask the same one."""

    @cache
    def training(recipe: str) -> tuple[Path, str]:
        runs = tmp_path_factory.mktemp(recipe)
        with redirect_stdout(TextIOWrapper(BytesIO(), encoding="utf-8")) as words:
            assert train(birds, runs, weights, "--recipe", recipe) == 0
        words.seek(0)
        return run_of(runs), words.read()

    return training


@pytest.mark.parametrize("recipe", ["probe", "few_shot"])
def test_a_last_layer_is_found_without_a_training_loop_and_tells_colours_apart(
    recipe: str, weights: Path, trained_by: Trained
) -> None:
    run, words = trained_by(recipe)
    assert "the last layer is" in words
    model = load_model(run)
    assert model.metrics["test/accuracy"] > 0.9
    body = torch.load(weights, weights_only=True)
    assert all(torch.equal(tensor, body[name]) for name, tensor in model.network.body.state_dict().items())
    assert not (run / "checkpoints").exists()
    card = (run / "bundle" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "- the last layer is" in card
    assert "No step of an optimiser was taken" in card
    assert "optimizer" not in card


def test_pictures_drawn_to_validate_are_learnt_from_once_they_have_judged(birds: Path, trained_by: Trained) -> None:
    run, words = trained_by("probe")
    told = re.search(r"fitted to (\d+) pictures' .* found anew from all (\d+) pictures", words, re.S)
    assert told
    assert (int(told[1]), int(told[2])) == (24, 28)
    model, data = load_model(run), BirdData(birds, 32, seed=0)
    data.setup()
    assert model.validation is not None
    said = _logits(model, data.datasets["val"].__getitems__(range(4))[0])
    assert not torch.allclose(said, model.validation.logits, atol=1e-3)  # which are of a head that did not know them


@pytest.mark.parametrize("recipe", ["probe", "fine_tune"])
def test_what_is_shown_of_the_val_split_is_of_the_network_that_judged_it(
    recipe: str, weights: Path, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps: list[torch.Tensor] = []

    def compare(
        self: Board, model: Bundle, pictures: Fetch, features: Fetch, validation: Validation, *_: object
    ) -> None:
        model.network.eval()
        for said in (_logits(model, pictures(range(1, 4))), model.network.decide(features(range(1, 4)).clone())):
            gaps.append((said - validation.logits[1:4]).abs().max())

    monkeypatch.setattr(Board, "show", compare)
    assert train(make_folder(16), tmp_path, weights, "--recipe", recipe) == 0
    assert len(gaps) == 2
    assert max(gaps) < 1e-4


def test_a_probe_asks_about_each_picture_that_it_learns_from_once(
    weights: Path, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ask = Engine.ask
    monkeypatch.setattr(Engine, "ask", lambda self, pixels: (asked.append(len(pixels)), ask(self, pixels))[1])
    cache = ["--data.cache_dir", str(tmp_path / "cache")]  # features are kept there, those of other tests elsewhere
    assert train(make_folder(16), tmp_path, weights, "--recipe", "probe", *cache) == 0
    assert sum(asked) == 28  # 24 of train, 4 of val; the others of the 32 are tested by Lightning


def test_pictures_that_somebody_set_apart_to_validate_are_not_learnt_from(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, count in (("train", 12), ("val", 4), ("test", 4)):
        write_folder(tmp_path / "birds" / split, count, ("blue", "red"))
    assert train(tmp_path / "birds", tmp_path, weights, "--recipe", "probe") == 0
    assert "found anew" not in capsys.readouterr().out
    model, data = load_model(run_of(tmp_path)), BirdData(tmp_path / "birds", 32)
    data.setup()
    assert model.validation is not None
    said = _logits(model, data.datasets["val"].__getitems__(range(8))[0])
    assert torch.allclose(said, model.validation.logits, atol=1e-4)


def _logits(model: Bundle, pixels: torch.Tensor) -> torch.Tensor:
    look = eval_transform(model.preprocessing.mean, model.preprocessing.std)
    with torch.no_grad():
        return model.network.logits(look(pixels))


def test_covariance_pooling_goes_by_what_the_training_pictures_show(
    weights: Path, make_folder: MakeFolder, tmp_path: Path
) -> None:
    options = ["--recipe", "probe", "--data.image_size", "64", "--model.network.init_args.pooling", "covariance"]
    assert train(make_folder(16), tmp_path, weights, *options) == 0
    model = load_model(run_of(tmp_path))
    assert model.metrics["test/accuracy"] > 0.9
    directions = model.network.pool.reduce.weight[:, :, 0, 0]
    assert torch.allclose(directions @ directions.T, torch.eye(len(directions)), atol=1e-4)  # drawn ones are not


def test_a_network_that_measures_is_shown_training_pictures_before_it_learns(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    network = ["--model.network", "bluebird.nets.WhitenedCNN", "--model.network.init_args.widths", "[4, 8]"]
    options = ["--data.root", str(make_folder(16)), "--runs_dir", str(tmp_path), "--name", "small", *network]
    assert main(["train", *options, "--data.image_size", "16", "--trainer.max_epochs", "1"]) == 0
    forwards = load_model(run_of(tmp_path)).network.whiten.weight[:12].flatten(1)  # scaled principal components
    alike = torch.nn.functional.normalize(forwards) @ torch.nn.functional.normalize(forwards).T
    assert torch.allclose(alike, torch.eye(12), atol=1e-3)  # drawn ones are not at right angles


def test_fine_tuning_begins_with_the_probe_and_changes_the_body_too(weights: Path, trained_by: Trained) -> None:
    run, words = trained_by("fine_tune")
    assert "the last layer is fitted to" in words
    body = torch.load(weights, weights_only=True)
    model = load_model(run / "checkpoints" / "last.ckpt")  # best or not
    assert not torch.equal(model.network.body.state_dict()["features.0.0.weight"], body["features.0.0.weight"])


def test_the_statistics_that_came_with_the_weights_stay_where_nobody_says_otherwise(
    birds: Path, weights: Path, trained_by: Trained, tmp_path: Path
) -> None:
    moving = ["--recipe", "fine_tune", "--model.network.init_args.freeze", "nothing"]
    assert train(birds, tmp_path, weights, *moving) == 0
    name = "features.0.1.running_mean"
    before = torch.load(weights, weights_only=True)[name]
    for run, stay in ((trained_by("fine_tune")[0], True), (run_of(tmp_path), False)):
        model = load_model(run / "checkpoints" / "last.ckpt")
        assert torch.equal(model.network.body.state_dict()[name], before) == stay


def test_fine_tuning_that_only_unlearns_hands_over_the_probe_that_it_began_with(
    birds: Path, weights: Path, trained_by: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beginning, words = trained_by("probe")
    assert "handed over as it began" not in words
    uphill = ["--model.optimizer.init_args.maximize", "true", "--model.optimizer.init_args.lr", "0.01"]
    assert train(birds, tmp_path, weights, "--recipe", "fine_tune", "--trainer.max_epochs", "2", *uphill) == 0
    out, err = capsys.readouterr()
    assert "no epoch lowered the validation loss: the network is handed over as it began" in out
    assert re.search(r"^beginning    val/loss \d.*\nepoch   1/2  ", err, re.MULTILINE)
    run = run_of(tmp_path)
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"best-start.ckpt", "last.ckpt"}
    assert load_model(run).fingerprint == load_model(beginning).fingerprint
    assert main(["train", "--resume", str(run), "--trainer.max_epochs", "3"]) == 0
    out, err = capsys.readouterr()
    assert "handed over as it began" in out
    assert "beginning" not in err
    assert load_model(run).fingerprint == load_model(beginning).fingerprint


@pytest.mark.parametrize(
    ("count", "pooling", "recipe"),
    [(4, "as_built", "few_shot"), (4, "covariance", "probe"), (8, "as_built", "probe"), (46, "as_built", "fine_tune")],
)
def test_where_nobody_chooses_the_number_of_pictures_and_the_pooling_do_and_it_is_said(
    count: int, pooling: str, recipe: str, weights: Path, make_folder: MakeFolder, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    options = ["--data.image_size", "64", "--model.network.init_args.pooling", pooling]
    assert train(make_folder(count), tmp_path, weights, *options) == 0
    assert f"recipe {recipe}: the middle class has" in capsys.readouterr().out


def test_the_same_command_gives_the_same_last_layer_from_kept_features(
    birds: Path, weights: Path, trained_by: Trained, tmp_path: Path
) -> None:
    assert train(birds, tmp_path, weights, "--recipe", "probe") == 0
    assert load_model(run_of(tmp_path)).fingerprint == load_model(trained_by("probe")[0]).fingerprint


def test_kept_features_serve_another_seed_but_no_other_weights_and_no_other_look(weights: Path, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):  # nothing is drawn, so that each seed learns from the same pictures
        write_folder(tmp_path / "birds" / split, 4, ("blue", "red"))
    cache = tmp_path / "cache"

    def files_after(*more: str, source: Path = weights) -> int:
        options = ["--recipe", "probe", "--data.cache_dir", str(cache), *more]
        assert train(tmp_path / "birds", tmp_path / "runs", source, *options) == 0
        return len(list((cache / "features").iterdir()))

    assert files_after() == 1
    assert files_after("--seed_everything", "7") == 1
    others = tmp_path / "others.pth"
    state = torch.load(weights, weights_only=True)
    torch.save({name: tensor * 1.01 for name, tensor in state.items()}, others)
    assert files_after(source=others) == 2
    assert files_after("--model.network.init_args.mirror", "true") == 3
    assert files_after("--data.std", "[0.5, 0.5, 0.5]") == 4


def test_pictures_become_what_the_weights_were_trained_on_unless_somebody_says_otherwise(
    weights: Path, make_folder: MakeFolder, tmp_path: Path
) -> None:
    assert train(make_folder(16), tmp_path, weights, "--recipe", "probe", "--data.std", "[0.5, 0.5, 0.5]") == 0
    data = yaml.safe_load((run_of(tmp_path) / "config.yaml").read_text())["data"]
    transforms = models.MobileNet_V3_Small_Weights.DEFAULT.transforms()
    assert (data["mean"], data["std"], data["image_size"]) == (transforms.mean, [0.5, 0.5, 0.5], 32)
    card = json.loads((run_of(tmp_path) / "bundle" / "model.json").read_text())
    assert card["preprocessing"]["mean"] == transforms.mean


def test_the_body_of_another_bluebird_model_brings_its_own_preprocessing(
    weights: Path, make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder(16)
    assert train(root, tmp_path / "one", weights, "--recipe", "probe", "--data.mean", "[0.1, 0.2, 0.3]") == 0
    assert train(root, tmp_path / "two", run_of(tmp_path / "one"), "--recipe", "probe") == 0
    one, two = (load_model(run_of(tmp_path / runs)) for runs in ("one", "two"))
    assert two.preprocessing == one.preprocessing
    assert two.preprocessing.mean == [0.1, 0.2, 0.3]


@pytest.mark.parametrize("recipe", ["probe", "few_shot", "fine_tune"])
def test_a_recipe_without_weights_is_refused(
    recipe: str, make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data.root", str(make_folder(8)), "--runs_dir", str(tmp_path), "--recipe", recipe, *NETWORK]
    assert main(["train", *options]) == 2
    assert "begins with weights; name them with --weights" in capsys.readouterr().err
    assert not list(tmp_path.glob("*/version_*"))


def test_weights_that_are_not_there_are_said_to_be_before_a_run_is_begun(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(make_folder(8), tmp_path, tmp_path / "absent.pth") == 2
    assert "absent.pth" in capsys.readouterr().err.splitlines()[-1]
    assert not run_of(tmp_path).exists()
