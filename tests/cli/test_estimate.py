from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from scipy.special import softmax

from bluebird.bundle import Validation, load_model, save_bundle
from bluebird.cli import main
from bluebird.quality.counting import Count, posterior_count
from tests.cli.estimates import Capture, by_folder, estimate, fill, labelled, refusal, rows, search
from tests.conftest import write_folder

COUNT, HIDDEN = 25, 6
TRUTH = COUNT + HIDDEN


def mountain(root: Path) -> Path:
    """Blue pictures among red and green ones, and some that count as blue though they look red."""
    write_folder(root, COUNT, ("blue", "red", "green"))
    for number in range(HIDDEN):
        with Image.open(root / "red" / f"{number:03d}.png") as picture:
            picture.rotate(180).save(root / "blue" / f"hidden {number}.png")
    return root


@pytest.fixture(scope="module")
def searched(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("searched")
    assert search(trained, mountain(base / "mountain"), base / "out") == 0
    assert main(["estimate", str(base / "out"), "--draw", "--top", "15", "--sample", "30"]) == 0
    return base / "out"


@pytest.fixture
def out(searched: Path, tmp_path: Path) -> Path:
    """A finished search with a sample drawn from it, to do anything with."""
    return Path(shutil.copytree(searched, tmp_path / "out"))


def expected_count(bundle: Path, out: Path) -> Count:
    """From the files alone: the scores as the table has them, to six digits, and the logits as the bundle has them."""
    card, kept = json.loads((bundle / "model.json").read_text()), load_file(bundle / "validation.safetensors")
    blue = card["classes"].index("blue")
    held_out = softmax(kept["logits"].astype(float) / card["temperature"], 1)[:, blue]
    scores = np.array([float(row["score"]) for row in rows(out / "finds.csv")])
    return posterior_count(scores, held_out, kept["targets"] == blue, 0.9)


def first_numbers(said: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", said.splitlines()[0].replace("90 %", ""))][:3]


def test_by_the_scores_it_is_the_mean_posterior_of_what_the_model_said_of_its_val_split(
    trained: Path, out: Path, capsys: Capture
) -> None:
    assert estimate(out, "--model", str(trained), "--confidence", "0.9") == 0
    said = capsys.readouterr().out
    count = expected_count(trained / "bundle", out)
    assert first_numbers(said) == pytest.approx((count.estimate, count.low, count.high), abs=0.51)
    assert count.low < TRUTH < count.high
    assert said.startswith("blue         ")
    accepted = sum(float(row["score"]) >= 0.5 for row in rows(out / "finds.csv"))
    assert f"from the {accepted} with a score of 0.5 or more" in said
    assert f"bluebird estimate {out} --draw" in said
    assert "not in it" not in said


def test_the_held_out_pictures_are_judged_at_the_temperature_of_the_scores(
    trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    targets = torch.arange(90) % 3
    logits = torch.randn(90, 3, generator=torch.Generator().manual_seed(0)) * 2 + 6 * torch.eye(3)[targets]
    model = replace(load_model(trained), temperature=4.0, validation=Validation(logits, targets))
    save_bundle(model, tmp_path / "model")
    where = write_folder(tmp_path / "where", 20, ("blue", "red", "green"))
    assert search(tmp_path / "model", where, tmp_path / "out") == 0
    capsys.readouterr()
    assert estimate(tmp_path / "out", "--model", str(tmp_path / "model"), "--confidence", "0.9") == 0
    count = expected_count(tmp_path / "model", tmp_path / "out")
    said = first_numbers(capsys.readouterr().out)
    assert said == pytest.approx((count.estimate, count.low, count.high), abs=0.51)


def test_a_score_that_accepts_nothing_tells_nothing_and_the_main_figure_stands(
    trained: Path, out: Path, capsys: Capture
) -> None:
    assert estimate(out, "--model", str(trained), "--accept", "1") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("blue ")
    assert said[1].startswith("adjusted     nothing can be told from the 0 with a score of 1 or more")


def test_the_best_are_in_the_sample_and_the_others_are_of_the_rest(out: Path) -> None:
    ranked = sorted(rows(out / "finds.csv"), key=lambda row: -float(row["score"]))
    sample = rows(out / "sample.csv")
    best = [row["path"] for row in sample if row["part"] == "best"]
    drawn = [row["path"] for row in sample if row["part"] == "rest"]
    assert len(best) == 15
    assert min(float(row["score"]) for row in sample[:15]) >= float(ranked[14]["score"])
    assert len(set(drawn)) == 30
    assert set(drawn) <= {row["path"] for row in ranked} - set(best)
    assert {row["shows"] for row in sample} == {""}


def test_of_equal_scores_the_first_path_is_the_better(trained: Path, tmp_path: Path) -> None:
    where = write_folder(tmp_path / "where", 1, ("blue", "red"))
    for name in "dbeac":
        shutil.copy(where / "blue" / "000.png", where / f"{name}.png")
    assert search(trained, where, tmp_path / "out") == 0
    assert estimate(tmp_path / "out", "--draw", "--top", "4", "--sample", "1") == 0
    assert [row["path"] for row in rows(tmp_path / "out" / "sample.csv")][:4] == [
        "a.png", "b.png", "blue/000.png", "c.png"
    ]  # fmt: skip


def test_a_seed_always_draws_the_same_and_another_does_not(out: Path) -> None:
    files = ("sample.csv", "sample.json", "sample.html")
    first = [(out / name).read_bytes().replace(os.fsencode(out), b"") for name in files]
    drawn = []
    for seed in ("0", "0", "1"):
        assert estimate(out, "--draw", "--top", "15", "--sample", "30", "--seed", seed) == 0
        drawn.append([(out / name).read_bytes() for name in files])
    assert drawn[0] == drawn[1]
    assert drawn[0][:2] == first[:2]
    assert drawn[0][0] != drawn[2][0]
    assert drawn[0][0].splitlines()[:16] == drawn[2][0].splitlines()[:16]  # the best are no matter of luck


def test_looking_holds_the_truth_though_the_model_misses_some(out: Path, capsys: Capture) -> None:
    fill(out)
    assert labelled(out) == 0
    said, figures = capsys.readouterr().out, json.loads((out / "estimate.json").read_text())
    sample = rows(out / "sample.csv")
    best = sum(row["path"].startswith("blue/") for row in sample[:15])
    drawn = sum(row["path"].startswith("blue/") for row in sample[15:])
    rest = 3 * COUNT + HIDDEN - 15
    assert (figures["best"], figures["best_found"], figures["drawn"], figures["drawn_found"]) == (15, best, 30, drawn)
    assert (figures["rest"], figures["scored"], figures["target"]) == (rest, 3 * COUNT + HIDDEN, ["blue"])
    assert figures["estimate"] == pytest.approx(best + drawn / 30 * rest)
    assert figures["low"] <= TRUTH <= figures["high"]
    assert figures["confidence"] == 0.95
    words = f"{figures['estimate']:.0f} (95 %: {figures['low']} to {figures['high']}) of {3 * COUNT + HIDDEN} pictures"
    assert said.startswith(f"blue         {words}")


def test_all_looked_at_is_the_number_itself(out: Path) -> None:
    everything = 3 * COUNT + HIDDEN
    assert estimate(out, "--draw", "--top", "10", "--sample", str(everything - 10)) == 0
    fill(out)
    assert labelled(out) == 0
    figures = json.loads((out / "estimate.json").read_text())
    assert (figures["estimate"], figures["low"], figures["high"]) == pytest.approx((TRUTH,) * 3)


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("TRUE", "FALSE"), (" Yes ", "nO")])
@pytest.mark.parametrize("spreadsheet", [False, True])
def test_labels_may_be_written_as_people_and_spreadsheets_do(out: Path, yes: str, no: str, spreadsheet: bool) -> None:
    fill(out)
    assert labelled(out) == 0
    expected = (out / "estimate.json").read_bytes()
    table = fill(out, lambda part, path: yes if path.startswith("blue/") else no)
    if spreadsheet:
        text = table.read_text(encoding="utf-8").replace(",", ";")
        table.write_text(re.sub(r"(?m)^\w+;", "", text), encoding="utf-8-sig")  # and without a column
    (out / "estimate.json").unlink()
    assert labelled(out) == 0
    assert (out / "estimate.json").read_bytes() == expected


def test_whoever_stops_early_has_drawn_a_smaller_sample(out: Path) -> None:
    late = {row["path"] for row in rows(out / "sample.csv")[-12:]}
    fill(out, lambda part, path: "" if path in late else by_folder(part, path))
    assert labelled(out) == 0
    figures = json.loads((out / "estimate.json").read_text())
    assert figures["drawn"] == 18
    assert figures["low"] <= TRUTH <= figures["high"]


@pytest.mark.parametrize("place", [15, 30, 43])
def test_what_is_left_out_of_the_drawn_order_is_refused(out: Path, capsys: Capture, place: int) -> None:
    left = rows(out / "sample.csv")[place]["path"]
    fill(out, lambda part, path: "" if path == left else by_folder(part, path))
    assert f"{left!r} is not labelled, though others behind it are" in refusal(capsys, labelled(out))
    assert not (out / "estimate.json").exists()


def test_each_of_the_best_must_be_labelled(out: Path, capsys: Capture) -> None:
    left = rows(out / "sample.csv")[7]["path"]
    fill(out, lambda part, path: "" if path == left else by_folder(part, path))
    assert f"1 of the 15 best are not labelled, the first is {left!r}" in refusal(capsys, labelled(out))


def test_labels_are_never_drawn_over(out: Path, capsys: Capture) -> None:
    one = rows(out / "sample.csv")[20]["path"]
    table = fill(out, lambda part, path: "no" if path == one else "")
    before = {name: (out / name).read_bytes() for name in ("sample.csv", "sample.json", "sample.html")}
    assert "holds labels already; move it away" in refusal(capsys, estimate(out, "--draw", "--top", "1"))
    assert {name: (out / name).read_bytes() for name in before} == before
    table.write_text("a table of somebody else's\n")
    refusal(capsys, estimate(out, "--draw", "--top", "1"))
    assert table.read_text() == "a table of somebody else's\n"
    table.rename(out / "away.csv")
    assert estimate(out, "--draw", "--top", "1", "--sample", "2") == 0


def test_the_search_is_read_beside_one_that_writes_and_stays_as_it_is(trained: Path, out: Path) -> None:
    with closing(sqlite3.connect(out / "finds.sqlite", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        before = (out / "finds.sqlite").read_bytes()
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE scores SET score = 0.25")
        fill(out)
        assert labelled(out) == 0  # what is not committed is not there
        assert estimate(out, "--model", str(trained)) == 0
        assert (out / "finds.sqlite").read_bytes() == before
        writer.execute("ROLLBACK")
        assert labelled(out) == 0


def test_an_export_has_held_out_pictures_too_if_its_engine_is_named(
    trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    model = Path(shutil.copytree(trained, tmp_path / "run"))
    where = write_folder(tmp_path / "where", 3, ("blue", "red"))
    assert main(["export", str(model), "--to", "onnx"]) == 0
    assert search(model, where, tmp_path / "out", "--engine", "onnx") == 0
    capsys.readouterr()
    assert "name the model and the engine that searched" in refusal(
        capsys, estimate(tmp_path / "out", "--model", str(model))
    )
    assert estimate(tmp_path / "out", "--model", str(model), "--engine", "onnx") == 0
