from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import average_precision_score

from bluebird.cli import main
from tests.browser import Page
from tests.conftest import write_folder

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blue, red and green as the model knows them, a class that it does not, a broken file and a hostile name."""
    root = tmp_path_factory.mktemp("folder") / "birds"
    write_folder(root, 14, ("blue", "green", "red"))
    shutil.copytree(root / "blue", root / HOSTILE.replace("/", "_"))
    (root / "green" / "broken.png").write_text("no picture")
    return root


@pytest.fixture(scope="module")
def evaluated(trained: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluated") / "out"
    options = ["--target", "blue", "--prevalence", "0.01", "--out", str(out), "--device", "cpu"]
    assert main(["evaluate", str(trained), str(folder), *options]) == 3  # one file is unreadable
    return out


def _summary(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "evaluation.json").read_text()))


def _rows(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_figures_follow_from_the_table(evaluated: Path) -> None:
    rows, summary = _rows(evaluated), _summary(evaluated)
    scores, relevant = [float(row["score"]) for row in rows], [row["label"] == "blue" for row in rows]
    assert (summary["pictures"], summary["relevant"], summary["unreadable"]) == (56, 14, 1)
    assert scores == sorted(scores, reverse=True)
    found = summary["search"]["average_precision"]
    assert found["value"] == pytest.approx(average_precision_score(relevant, scores), abs=1e-4)
    known = [row for row in rows if row["label"] in ("blue", "green", "red")]
    right = sum(row["first"] == row["label"] for row in known)
    assert summary["accuracy"] == pytest.approx(right / len(known))


def test_a_score_is_the_probability_of_the_target(evaluated: Path) -> None:
    taken = [row for row in _rows(evaluated) if row["first"] == "blue"]
    assert len(taken) > 10
    assert all(row["score"] == row["first_prob"] for row in taken)


def test_of_several_targets_the_probabilities_add_up(trained: Path, folder: Path, tmp_path: Path) -> None:
    every = [word for name in ("blue", "green", "red") for word in ("--target", name)]
    assert main(["evaluate", str(trained), str(folder), *every, "--out", str(tmp_path / "o"), "--device", "cpu"]) == 3
    assert {row["score"] for row in _rows(tmp_path / "o")} == {"1.000000"}


def test_a_class_that_the_model_lacks_is_an_unknown_species(evaluated: Path) -> None:
    found = _summary(evaluated)["open_set"]
    assert (found["known"], found["unknown"], found["used"]) == (42, 14, "maximum logit")
    assert {"maximum softmax", "maximum logit", "energy"} <= set(found["methods"])
    assert all(0 <= figure["auroc"] <= 1 for figure in found["methods"].values())


def test_the_look_alike_is_named_first(evaluated: Path) -> None:
    first = _summary(evaluated)["lookalikes"][0]
    assert first["label"] == HOSTILE.replace("/", "_")  # the very pictures of the target
    assert first["taken"] == 14


def test_thresholds_come_from_the_val_split_and_predict_takes_them(
    trained: Path, folder: Path, evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (chosen,) = [one for one in _summary(evaluated)["thresholds"] if one["wanted"] == "recall 95%"]
    options = ["--target", "blue", "--accept", "recall=0.95", "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(["predict", str(trained), str(folder), *options]) == 3
    assert f"with a score of {chosen['threshold']:.4g} or more" in capsys.readouterr().out


def test_a_score_that_validation_cannot_choose_is_refused(
    trained: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (best,) = (trained / "checkpoints").glob("best-*.ckpt")
    options = ["--target", "blue", "--accept", "recall=0.95", "--out", str(tmp_path / "out")]
    assert main(["predict", str(best), str(folder), *options]) == 2
    assert "--accept recall=0.95: this model brings no validation" in capsys.readouterr().err


def test_its_own_training_data_judges_by_the_test_split_alone(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = trained.parents[2] / "birds"
    assert main(["evaluate", str(trained), str(own), "--target", "blue", "--out", str(tmp_path / "out")]) == 0
    assert "judged by    9 pictures (test), 3 of blue" in capsys.readouterr().out
    card = json.loads((trained / "bundle" / "model.json").read_text())
    assert _summary(tmp_path / "out")["accuracy"] == pytest.approx(card["metrics"]["test/accuracy"])


def test_the_same_command_gives_the_same_figures(trained: Path, folder: Path, evaluated: Path, tmp_path: Path) -> None:
    options = ["--target", "blue", "--prevalence", "0.01", "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(["evaluate", str(trained), str(folder), *options]) == 3
    assert _summary(tmp_path / "out") == _summary(evaluated)


def test_the_page_opens_in_a_browser_without_a_complaint(evaluated: Path, page: Page) -> None:
    page.open(evaluated / "report.html")
    assert page.errors == []
    assert page.run("[...document.images].filter(image => !image.alt).length") == 0
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.run("document.images.length") > 20
    text = page.run("document.body.innerText")
    assert HOSTILE.replace("/", "_") in text
    assert "broken.png" in text


def test_no_figure_is_made_up(evaluated: Path) -> None:
    def numbers(value: Any) -> list[float]:
        if isinstance(value, dict | list):
            return [n for part in (value.values() if isinstance(value, dict) else value) for n in numbers(part)]
        return [value] if isinstance(value, float) else []

    assert all(map(math.isfinite, numbers(_summary(evaluated))))


@pytest.mark.parametrize(
    ("target", "where", "said"),
    [
        ("owl", "birds", "is none of the model's classes"),
        ("blue", "absent", "no such folder"),
        ("blue", "birds/red", "no pictures; expected one folder of pictures for each class"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_line(
    trained: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str, where: str, said: str
) -> None:
    place = folder.parent / where
    assert main(["evaluate", str(trained), str(place), "--target", target, "--out", str(tmp_path / "o")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_folder_without_the_target_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_folder(tmp_path / "birds", 5, ("green", "red"))
    assert main(["evaluate", str(trained), str(root), "--target", "blue", "--out", str(tmp_path / "o")]) == 2
    assert "no picture of 'blue' among the 10 to judge by" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prevalence", "said"), [("0", "prevalence"), ("1", "prevalence"), ("2", "number from 0 to 1")]
)
def test_a_prevalence_that_cannot_be_is_refused(
    trained: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], prevalence: str, said: str
) -> None:
    options = ["--target", "blue", "--prevalence", prevalence, "--out", str(tmp_path / "o")]
    assert main(["evaluate", str(trained), str(folder), *options]) == 2
    assert said in capsys.readouterr().err


def test_where_everything_is_the_target_the_report_is_made_all_the_same(trained: Path, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "birds", 5, ("green", "red"))
    options = ["--target", "green", "--target", "red", "--out", str(tmp_path / "o"), "--device", "cpu"]
    assert main(["evaluate", str(trained), str(root), *options]) == 0
    assert _summary(tmp_path / "o")["search"]["average_precision"]["value"] == 1
    assert _summary(tmp_path / "o")["lookalikes"] == []


def test_an_out_that_cannot_be_written_is_told(
    trained: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = str(tmp_path / "file" / "out")
    assert main(["evaluate", str(trained), str(folder), "--target", "blue", "--out", out]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_damaged_config_beside_the_model_is_told_in_one_line(
    trained: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained / "bundle", tmp_path / "run" / "bundle")
    (tmp_path / "run" / "config.yaml").write_text("data: [1,")
    options = ["--target", "blue", "--out", str(tmp_path / "o")]
    assert main(["evaluate", str(tmp_path / "run"), str(folder), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "config.yaml': the config is not YAML" in line
