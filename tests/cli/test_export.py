from __future__ import annotations

import csv
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from bluebird.bundle import load_model
from bluebird.cli import main
from bluebird.pixels.decode import decode
from bluebird.pixels.squeeze import squeeze
from tests.conftest import MakeFolder

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A run folder of its own, to write into."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def _finds(out: Path) -> dict[str, float]:
    with (out / "finds.csv").open(newline="") as file:
        return {row["path"]: float(row["score"]) for row in csv.DictReader(file)}


def _search(model: Path, folder: Path, out: Path, *more: str) -> int:
    return main(["predict", str(model), str(folder), "--target", "blue", "--out", str(out), *more])


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_an_export_is_checked_and_finds_the_same(
    model: Path, make_folder: MakeFolder, tmp_path: Path, capsys: Capture, kind: str
) -> None:
    folder = make_folder(5)
    assert main(["export", str(model), "--to", kind]) == 0
    said = capsys.readouterr().out
    assert "on 40 painted pictures" in said
    assert "first class the same on 100.0%" in said
    assert (model / "bundle" / "model.safetensors").is_file()
    assert _search(model, folder, tmp_path / "torch") == 0
    assert _search(model, folder, tmp_path / kind, "--engine", kind) == 0
    expected, got = _finds(tmp_path / "torch"), _finds(tmp_path / kind)
    assert got.keys() == expected.keys()
    assert len(got) == 10
    for name, score in expected.items():
        assert got[name] == pytest.approx(score, abs=1e-5)


def test_8_bits_learn_from_pictures_and_say_how_near_they_come(
    model: Path, make_folder: MakeFolder, tmp_path: Path, capsys: Capture
) -> None:
    folder = make_folder(20)
    assert main(["export", str(model), "--to", "openvino-int8", "--pictures", str(folder)]) == 0
    assert "on 40 pictures: probabilities at most" in capsys.readouterr().out
    assert _search(model, folder, tmp_path / "out", "--engine", "openvino-int8") == 0
    best = sorted(_finds(tmp_path / "out").items(), key=lambda find: -find[1])[:20]
    assert {name.split("/")[0] for name, _ in best} == {"blue"}


def test_another_engine_scores_anew(model: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    folder, out = make_folder(2), tmp_path / "out"
    assert main(["export", str(model), "--to", "onnx"]) == 0
    assert _search(model, folder, out) == 0
    assert _search(model, folder, out, "--engine", "onnx") == 0
    with closing(sqlite3.connect(out / "finds.sqlite")) as db:
        ((models,),) = db.execute("SELECT count(DISTINCT model) FROM pictures").fetchall()
        ((asked,),) = db.execute(
            "SELECT count(*) FROM pictures, search WHERE key = 'model' AND model = value"
        ).fetchall()
    assert (models, asked) == (1, 4)


def test_a_checkpoint_is_exported_into_a_folder_that_is_a_model(trained: Path, tmp_path: Path, capsys: Capture) -> None:
    (checkpoint,) = (trained / "checkpoints").glob("last.ckpt")
    assert main(["export", str(checkpoint), "--to", "torch"]) == 2
    assert "add --out FOLDER" in capsys.readouterr().err
    assert main(["export", str(checkpoint), "--to", "torch", "--out", str(tmp_path / "model")]) == 0
    assert load_model(tmp_path / "model").classes == ("blue", "green", "red")
    pixels = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    probs, logits, _ = torch.export.load(tmp_path / "model" / "model.pt2").module()(pixels)
    torch.testing.assert_close(probs, logits.softmax(1))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "openvino-int8"], "needs --pictures"),
        (["--to", "onnx", "--pictures", "nowhere"], "no such folder, file or pattern"),
        (["--to", "tflite"], "invalid choice"),
        ([], "required: --to"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_line(
    model: Path, capsys: Capture, arguments: list[str], words: str
) -> None:
    assert main(["export", str(model), *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_pictures_that_cannot_be_read_are_no_pictures(model: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.jpg").write_text("no picture")
    assert main(["export", str(model), "--to", "onnx", "--pictures", str(tmp_path / "text")]) == 2
    assert "no picture there that can be read" in capsys.readouterr().err


def test_embeddings_are_what_the_last_layer_decides_on(model: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    folder, out = make_folder(4), tmp_path / "out"
    assert _search(model, folder, out) == 0
    with closing(sqlite3.connect(out / "finds.sqlite")) as db:
        assert set(db.execute("SELECT embedding FROM pictures")) == {(None,)}
    assert _search(model, folder, out, "--embeddings") == 0  # asks again about what has none
    bundle = load_model(model)
    mean, std = (torch.tensor(v)[:, None, None] for v in (bundle.preprocessing.mean, bundle.preprocessing.std))
    with closing(sqlite3.connect(out / "finds.sqlite")) as db:
        rows = dict(db.execute("SELECT path, embedding FROM pictures"))
    assert len(rows) == 8
    for name, embedding in rows.items():
        images = (squeeze(decode(folder / name), 16)[None] / 255 - mean) / std
        expected = bundle.network.features(images)[0].detach().numpy()  # type: ignore[operator]
        np.testing.assert_allclose(np.frombuffer(embedding, "<f2"), expected, rtol=2e-3, atol=2e-2)
