from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bluebird.bundle import Bundle, Preprocessing, load_model, save_bundle
from bluebird.cli import main
from bluebird.nets import MLP
from bluebird.nets.attribution import grad_cam
from bluebird.pixels.decode import decode
from bluebird.pixels.squeeze import squeeze
from bluebird.watch.overlay import overlay
from tests.browser import Page
from tests.conftest import MakeFolder, write_folder

Capture = pytest.CaptureFixture[str]

HOSTILE = "<img src=x onerror=pwned=1> & 'a' \"b\".png"
CLASSES = ("blue", "green", "red")


@pytest.fixture
def birds(make_folder: MakeFolder) -> Path:
    """Three pictures each of blue and red."""
    return make_folder(3)


def explain(model: Path, *arguments: object) -> int:
    return main(["explain", str(model), *map(str, arguments), "--device", "cpu"])


def squares(panel: Path, count: int) -> list[np.ndarray]:
    """The squares of a panel, (S, S, 3) each, as Pillow reads them."""
    with Image.open(panel) as image:
        return np.split(np.asarray(image), count, axis=1)


def scores(model: Bundle, picture: Path) -> dict[str, float]:
    """Probabilities of the classes, in float64 from the network's own logits."""
    given = model.preprocessing
    mean, std = (np.array(values).reshape(1, 3, 1, 1) for values in (given.mean, given.std))
    images = (squeeze(decode(picture), given.image_size)[None].numpy() / 255 - mean) / std
    with torch.no_grad():
        logits = model.network.logits(torch.from_numpy(images).float()).double().numpy()[0]
    odds = np.exp((logits - logits.max()) / model.temperature)
    return dict(zip(model.classes, odds / odds.sum(), strict=True))


def test_each_picture_is_shown_beside_its_map(trained: Path, birds: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    assert explain(trained, birds / "blue", "--out", out) == 0
    said = capsys.readouterr().out
    assert str(out / "explain.html") in said
    assert "Grad-CAM" in said
    assert {path.name for path in out.iterdir()} == {"000.png", "001.png", "002.png", "explain.html"}
    seen, laid = squares(out / "000.png", 2)
    assert seen.shape == laid.shape == (224, 224, 3)
    expected = squeeze(decode(birds / "blue" / "000.png"), 16).permute(1, 2, 0).numpy()
    assert (seen == expected.repeat(14, 0).repeat(14, 1)).all()
    assert (seen != laid).any()


def test_each_class_that_is_asked_for_has_its_own_map(trained: Path, birds: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert explain(trained, birds / "blue" / "000.png", "--class", "blu", "--class", "red", "--out", out) == 0
    _, blue, red = squares(out / "000.png", 3)
    assert (blue != red).any()
    text = (out / "explain.html").read_text()
    assert "where the network looked for blue and red" in text
    for name, prob in scores(load_model(trained), birds / "blue" / "000.png").items():
        assert (f"<figcaption>{name}, {prob:.1%}</figcaption>" in text) == (name != "green")


def test_every_picture_lies_under_the_maps_of_its_own(trained: Path, birds: Path, tmp_path: Path) -> None:
    assert explain(trained, birds / "blue", "--class", "red", "--class", "green", "--out", tmp_path / "out") == 0
    model = load_model(trained)
    given = model.preprocessing
    for picture in (birds / "blue").iterdir():
        pixels = squeeze(decode(picture), 16)[None]
        images = (pixels / 255 - torch.tensor(given.mean)[:, None, None]) / torch.tensor(given.std)[:, None, None]
        for name, laid in zip(("red", "green"), squares(tmp_path / "out" / picture.name, 3)[1:], strict=True):
            maps = grad_cam(model.network, images, torch.tensor([model.classes.index(name)]))
            expected = overlay(pixels, maps)[0].permute(1, 2, 0).numpy()
            assert np.abs(laid[::14, ::14].astype(int) - expected).max() <= 1


def test_without_a_class_the_first_of_each_picture_is_explained(trained: Path, birds: Path, tmp_path: Path) -> None:
    assert explain(trained, birds, "--out", tmp_path / "out") == 0
    text = (tmp_path / "out" / "explain.html").read_text()
    for picture in birds.rglob("*.png"):
        ordered = sorted(scores(load_model(trained), picture).items(), key=lambda item: -item[1])
        assert f"<figcaption>{ordered[0][0]}, {ordered[0][1]:.1%}</figcaption>" in text
        rows = [f'<tr><th scope="row">{name}</th><td>{prob:.1%}</td></tr>' for name, prob in ordered]
        assert "\n".join(rows) in text


def test_a_network_without_places_is_explained_by_saliency(birds: Path, tmp_path: Path, capsys: Capture) -> None:
    torch.manual_seed(0)
    flat = Bundle(MLP(3, 16, [8]).eval(), CLASSES, Preprocessing(16, [0.5] * 3, [0.2] * 3))
    save_bundle(flat, tmp_path / "flat")
    assert explain(tmp_path / "flat", birds, "--out", tmp_path / "out") == 0
    assert "saliency" in capsys.readouterr().out
    assert "saliency (Simonyan" in (tmp_path / "out" / "explain.html").read_text()


def test_pictures_of_one_name_do_not_overwrite_each_other(trained: Path, birds: Path, tmp_path: Path) -> None:
    red = Path(shutil.copy(birds / "red" / "000.png", birds / "blue" / "000.PNG"))
    shutil.copy(birds / "red" / "001.png", birds / "B.png")
    shutil.copy(birds / "blue" / "001.png", birds / "red" / "b.png")
    named = [birds / "blue" / "000.png", red, birds / "red" / "000.png", red, birds / "red" / "b.png", birds / "B.png"]
    assert explain(trained, *named, "--out", tmp_path / "out") == 0
    first, second, third = (squares(tmp_path / "out" / f"{name}.png", 2) for name in ("000", "000-2", "000-3"))
    assert (first[0] != second[0]).any()
    assert np.array_equal(second, third)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"000.png", "000-2.png", "000-3.png", "b.png", "B-2.png", "explain.html"}


def test_what_cannot_be_read_is_listed_and_the_rest_is_done(
    trained: Path, birds: Path, tmp_path: Path, capsys: Capture
) -> None:
    (birds / "notes.txt").write_text("no picture")
    (birds / "blue" / "000.png").write_bytes(b"")
    assert explain(trained, birds, "--out", tmp_path / "out") == 3
    said = capsys.readouterr().out
    text = (tmp_path / "out" / "explain.html").read_text()
    for name, reason in (("notes.txt", "not a picture"), ("blue/000.png", "the file is empty")):
        assert f"{str(birds / name)!r}: {reason}" in said
        assert f'<th scope="row">{birds / name}</th><td>{reason}' in text
    assert len(list((tmp_path / "out").glob("*.png"))) == 5


def test_a_large_folder_is_cut_and_it_is_said(trained: Path, birds: Path, tmp_path: Path, capsys: Capture) -> None:
    assert explain(trained, birds, "--limit", 2, "--out", tmp_path / "out") == 0
    assert f"2 of the 6 files of {str(birds)!r}" in capsys.readouterr().out
    assert "2 of the 6 files of" in (tmp_path / "out" / "explain.html").read_text()
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"000.png", "002.png"}  # the first and the last


def test_more_than_a_handful_are_all_explained(trained: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "birds", 20, ["blue"])
    (folder / "blue" / "007.png").write_text("no picture")
    assert explain(trained, folder, "--out", tmp_path / "out") == 3
    panels = {path.stem for path in (tmp_path / "out").glob("*.png")}
    assert panels == {f"{number:03d}" for number in range(20)} - {"007"}
    for number in (0, 15, 16, 19):
        seen, _ = squares(tmp_path / "out" / f"{number:03d}.png", 2)
        expected = squeeze(decode(folder / "blue" / f"{number:03d}.png"), 16).permute(1, 2, 0)
        assert (seen[::14, ::14] == expected.numpy()).all()


def test_another_run_explains_no_panels_of_the_last(trained: Path, birds: Path, tmp_path: Path) -> None:
    out = birds / "out"
    for _ in range(2):
        assert explain(trained, birds, "--out", out) == 0
        assert len(list(out.iterdir())) == 7
    shutil.move(out / "000.png", birds / "blue" / "panel.png")
    assert explain(trained, birds / "blue", "--out", out) == 0
    assert (out / "panel.png").exists()


def test_no_file_of_another_is_written_over(trained: Path, birds: Path, tmp_path: Path, capsys: Capture) -> None:
    mine = birds / "red" / "000.png"
    before = mine.read_bytes()
    assert explain(trained, birds / "blue" / "000.png", "--out", birds / "red") == 2
    assert "not written by this command" in capsys.readouterr().err
    assert explain(trained, mine, "--out", birds / "red") == 2
    assert "which is to be explained" in capsys.readouterr().err
    assert mine.read_bytes() == before
    assert len(list((birds / "red").iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.jpg"], "'nowhere.jpg': no such file or folder"),
        (["empty"], "no picture there"),
        (["text"], "no picture that can be read"),
        (["birds", "--class", "owl"], "--class 'owl' is none of the model's classes (blue, green, red)"),
        (["birds", "--class", "e"], "--class 'e' may be blue or green or red"),
        (["birds", "--out", "text/a.jpg"], "cannot be written"),
        (["birds", "--limit", "0"], "not a whole number of at least 1"),
        ([], "required: PICTURE"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    trained: Path, birds: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(birds.parent)
    (birds.parent / "empty").mkdir()
    (birds.parent / "text").mkdir()
    (birds.parent / "text" / "a.jpg").write_text("no picture")
    assert explain(trained, *arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (birds.parent / "explain").exists()


def test_the_page_opens_in_a_browser_and_hostile_names_are_shown_and_not_run(
    trained: Path, birds: Path, tmp_path: Path, page: Page
) -> None:
    where = birds / "<b>bold"
    where.mkdir()
    shutil.copy(birds / "blue" / "000.png", where / HOSTILE)
    shutil.copy(birds / "red" / "000.png", os.fsencode(where) + b"/\xff\n" + b"long_" * 40 + b".png")
    (where / f"broken {HOSTILE}").write_text("no picture")
    out = tmp_path / "out"
    assert explain(trained, where, "--limit", 3, "--class", "blue", "--class", "red", "--out", out) == 3
    page.resize(1280, 900)
    page.open(out / "explain.html")
    assert page.run("window.pwned") is None
    assert page.run("document.querySelectorAll('img[src=x], main b').length") == 0
    assert page.run("document.querySelector('article h3').textContent") == HOSTILE
    assert page.run("document.querySelector('section.words tbody th').textContent") == str(where / f"broken {HOSTILE}")
    assert page.run("[...document.images].every(image => image.alt)")
    page.run("[...document.images].forEach(image => image.loading = 'eager')")
    drawn = "Promise.all([...document.images].map(image => image.decode().then(() => image.naturalWidth)))"
    assert page.run(drawn) == [180] + 6 * [16]
    page.resize(360, 800, mobile=True)
    assert page.run("document.documentElement.scrollWidth") == 360
    assert page.errors == []


def test_real_birds_are_explained(real_pictures: Path, trained: Path, tmp_path: Path) -> None:
    folder = real_pictures / "cub100" / "test" / "014.Indigo_Bunting"
    assert explain(trained, folder, "--out", tmp_path / "out") == 0
    panels = {path.stem for path in (tmp_path / "out").glob("*.png")}
    assert panels == {path.stem for path in folder.iterdir()}
