from __future__ import annotations

import html
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from markdown_it import MarkdownIt
from sklearn.metrics import average_precision_score, confusion_matrix

from bluebird.bundle import Bundle, Preprocessing, Validation, load_model, versions
from bluebird.errors import DataError
from bluebird.nets import MLP
from bluebird.report.card_facts import Made, Training, TrainingData, limits, wilson
from bluebird.report.model_card import model_card

CLASSES = ("blue_jay", "bluebird", "robin")
NASTY = (
    "*a*|b",
    "<script>alert(1)</script>",
    "`c` [d](e) ![f] &amp; $x$ ~~y~~",
    "# g\n---\nh: \x1b",
    "https://a.b _i_",
)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _said(seed: int, count: int, classes: int = 3) -> Validation:
    targets = torch.arange(count) % classes
    logits = torch.randn(count, classes, generator=torch.Generator().manual_seed(seed))
    logits[torch.arange(count), targets] += 1.5
    return Validation(logits, targets)


def _training(classes: tuple[str, ...] = CLASSES, **changes: Any) -> Training:
    count = len(classes)
    network = MLP(count, 8, widths=[4]).eval()
    tested, metrics = _said(2, 150 * count // 3, count), {"test/accuracy": 0.9, "test/f1": 0.87654}
    model = Bundle(network, classes, Preprocessing(8, [0.5] * 3, [0.25] * 3), "f1e2", metrics, temperature=1.25,
                   validation=_said(1, 60, count))  # fmt: skip
    counts = {"train": [300] * count, "val": [20] * count, "test": [50] * count}
    config = {"seed_everything": 3, "data": {"root": "/home/me/my_birds", "image_size": 8, "cache_dir": "/home/me/x"},
              "model": {"schedule": None}, "trainer": {"max_epochs": 4, "logger": "tensorboard"},
              "weights": "../others/w.pth"}  # fmt: skip
    command = ["bluebird", "train", "--data.root", "/home/me/my_birds", "--weights=~/w.pth", "--name", "two words"]
    training = Training(
        "cnn", model, TrainingData("my_birds", counts), classes[1:2], config, command, versions(), tested
    )
    return replace(training, **changes)


def _front(card: str) -> dict[str, Any]:
    assert card.startswith("---\n")
    front: dict[str, Any] = yaml.safe_load(card.split("\n---\n")[0])
    return front


def _body(card: str) -> str:
    rendered: str = MARKDOWN.render(card.split("\n---\n", 1)[1])
    return rendered


def _rows(card: str, title: str) -> list[list[str]]:
    """The text of the cells of the table whose head begins with `title`."""
    table = next(t for t in re.findall("<table>.*?</table>", _body(card), re.S) if f"<th>{title}</th>" in t)
    rows = re.findall("<tr>(.*?)</tr>", table, re.S)[1:]
    return [[html.unescape(cell) for cell in re.findall("<td[^>]*>(.*?)</td>", row, re.S)] for row in rows]


def _block(card: str, language: str, number: int) -> str:
    return html.unescape(
        re.findall(f'<pre><code class="language-{language}">(.*?)</code></pre>', _body(card), re.S)[number]
    )


def test_hugging_face_reads_the_figures_from_the_front() -> None:
    hub = pytest.importorskip("huggingface_hub")
    training = _training()
    card = hub.ModelCard(model_card(training))
    assert card.data.library_name == "bluebird"
    found = {result.metric_type: result for result in card.data.eval_results}
    tested = training.tested
    assert tested is not None
    right = (tested.logits.argmax(1) == tested.targets).double().mean().item()
    assert found["accuracy"].metric_value == pytest.approx(right, abs=1e-6)
    assert found["f1"].metric_value == 0.87654
    assert {(r.task_type, r.dataset_name, r.dataset_split) for r in found.values()} == {
        ("image-classification", "my_birds", "test")
    }
    again = hub.ModelCard(str(card))  # as the hub writes it
    assert again.data.to_dict() == card.data.to_dict()


def test_the_figures_are_those_of_scikit_learn() -> None:
    training = _training()
    card, tested = model_card(training), training.tested
    assert tested is not None
    probs = (tested.logits.double() / 1.25).softmax(1).numpy()
    targets, said = tested.targets.numpy(), probs.argmax(1)
    measures = {row[0]: row[1:] for row in _rows(card, "measure")}
    precision = average_precision_score(targets == 1, probs[:, 1])
    assert measures["average precision of bluebird"][:3] == ["test", "150", f"{precision:.3f}"]
    order = np.argsort(-probs[:, 1])
    looks = 1 + int(np.flatnonzero((targets[order] == 1).cumsum() >= math.ceil(0.95 * 50))[0])
    (shown,) = [float(row[2]) for name, row in measures.items() if name.startswith("pictures to look at for 95 %")]
    assert looks - 1 <= shown <= looks
    counts = confusion_matrix(targets, said)
    assert measures["accuracy"][2] == f"{counts.trace() / 150:.2%}"
    for number, row in enumerate(_rows(card, "class")):
        assert row[:4] == [CLASSES[number], "300", "20", "50"]
        assert row[4].startswith(f"{counts[number, number] / 50:.0%} (")
    taken = {(row[0], row[1]): int(row[2]) for row in _confused(card)}
    wrong = {(CLASSES[i], CLASSES[j]): counts[i, j] for i in range(3) for j in range(3) if i != j and counts[i, j]}
    assert taken == wrong
    assert list(taken.values()) == sorted(taken.values(), reverse=True)


def _confused(card: str) -> list[list[str]]:
    part = card.split("#### Most frequent confusions in test", 1)[1]
    return _rows("---\n---\n" + part, "class")


def test_the_calibration_error_is_that_of_its_bins() -> None:
    training = _training()
    probs, targets = training.answers
    top, right = probs.max(1), probs.argmax(1) == targets
    error = 0.0
    for number in range(15):
        own = (top > number / 15) & (top <= (number + 1) / 15)
        if own.any():
            error += own.mean() * abs(top[own].mean() - right[own].mean())
    shown = {row[0]: row[3] for row in _rows(model_card(training), "measure")}
    assert shown["expected calibration error, 15 bins"] == f"{error:.4f}"


@pytest.mark.parametrize(("hits", "pictures"), [(0, 5), (3, 4), (90, 100), (7, 7)])
def test_the_interval_is_wilsons_formula(hits: int, pictures: int) -> None:
    z, p, n = 1.959963984540054, hits / pictures, pictures
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = wilson(hits, pictures)
    assert (found.value, found.low, found.high) == pytest.approx((p, middle - half, middle + half))


def test_without_the_tests_answers_they_are_the_val_splits_and_it_says_so() -> None:
    card = model_card(_training(tested=None))
    measures = {row[0]: row[1:] for row in _rows(card, "measure")}
    assert measures["accuracy"][:3] == ["test", "150", "90.00%"]  # of the bundle's own metrics
    assert measures["average precision of bluebird"][:2] == ["val", "60"]
    assert "of the same pictures, is too good" in card
    split = {m["type"]: r["dataset"]["split"] for r in _front(card)["model-index"][0]["results"] for m in r["metrics"]}
    assert split == {"accuracy": "test", "f1": "test", "average_precision": "val"}


def test_without_any_answers_there_is_no_card() -> None:
    training = _training(tested=None)
    with pytest.raises(DataError, match="held-out pictures"):
        model_card(replace(training, model=replace(training.model, validation=None)))


def test_names_stand_in_the_card_as_the_text_that_they_are() -> None:
    training = _training(NASTY)
    data = replace(training.data, name=NASTY[3], drawn=["test"])
    card = model_card(replace(training, data=data, name=NASTY[3]))
    names = [" ".join(name.split()).replace("\x1b", r"\x1b") for name in NASTY]
    assert [row[0] for row in _rows(card, "class")] == names
    assert _front(card)["model-index"][0]["name"] == names[3]
    assert _front(card)["model-index"][0]["results"][0]["dataset"]["name"] == names[3]
    body = _body(card)
    assert "<script" not in body
    assert "<del>" not in body
    assert set(re.findall('href="(.*?)"', body)) == {"https://arxiv.org/abs/1810.03993"}
    assert card.isascii()


def test_the_settings_and_the_command_can_be_read_and_name_no_folder_of_the_machine() -> None:
    card = model_card(_training())
    assert _block(card, "bash", 1) == "bluebird train --data.root my_birds --weights=w.pth --name 'two words'\n"
    assert yaml.safe_load(_block(card, "yaml", 1)) == {
        "data": {"root": "my_birds", "image_size": 8},
        "seed_everything": 3,
        "weights": "w.pth",
        "trainer": {"max_epochs": 4},
    }
    assert yaml.safe_load(_block(card, "yaml", 0)) == _training().model.network.arguments
    assert "/home" not in card
    assert ".." not in card


def test_limits_are_said_where_the_data_has_them_and_only_there() -> None:
    sound = " ".join(limits(_training(data=TrainingData("x", {"train": [300] * 3, "val": [20] * 3, "test": [50] * 3}))))
    words = ("drawn by lot", "identical copy", "could not be read", "Fewer than")
    assert not [word for word in words if word in sound]
    counts = {"train": [300, 300, 7], "val": [20] * 3, "test": [50, 0, 50]}
    poor = " ".join(limits(_training(data=TrainingData("x", counts, ["val", "test"], leaks=4, unreadable=5))))
    assert [word for word in words if word in poor] == list(words)
    assert "learnt from of: robin (7)." in poor
    assert "tested on of: bluebird (0)." in poor
    assert "no val and no test split" in poor


def test_the_precision_where_the_target_is_rare_is_bayes_rule() -> None:
    targets = torch.tensor([1] * 100 + [0] * 100)
    scores = torch.cat([torch.linspace(0.99, 0.5, 100), torch.tensor([0.9] * 10 + [0.01] * 90)])
    logits = torch.stack([-scores.logit(), torch.zeros(200)], 1).flip(1) * torch.tensor([1.0, -1.0])
    training = _training(("a", "b"), tested=Validation(logits * 1.25, targets))
    (said,) = [limit for limit in limits(training) if "1 of 1,000" in limit]
    precision = 0.001 * 0.95 / (0.001 * 0.95 + 0.999 * 0.1)  # 95 of the target's 100 and 10 of 100 others
    assert "also accepts 10.00% of all else" in said
    assert f"{precision:.1%} of what it accepts" in said


def test_many_classes_are_folded_and_few_are_not() -> None:
    assert "<details>" not in model_card(_training(tuple(map(str, range(30)))))
    card = model_card(_training(tuple(map(str, range(31)))))
    assert "<summary>31 classes</summary>" in card
    assert [row[0] for row in _rows(card, "class")] == list(map(str, range(31)))


def test_a_card_without_a_target_speaks_of_classes_alone() -> None:
    card = model_card(_training(target=()))
    assert "average precision of" not in card
    assert "An image classifier that tells 3 classes apart." in card


def test_what_only_an_optimiser_listens_to_is_left_out_where_none_took_steps() -> None:
    steps = {"model": {"optimizer": {"class_path": "torch.optim.SGD"}, "network": {"class_path": "a.B"}},
             "data": {"batch_size": 32, "augment": {"flip": True}, "image_size": 8}, "swa": {"start": 0.75},
             "trainer": {"max_epochs": 20, "precision": "32-true"}}  # fmt: skip
    stepped = model_card(_training(config=steps))
    assert yaml.safe_load(_block(stepped, "yaml", 1)) == steps
    assert "No step of an optimiser" not in stepped
    fitted = model_card(_training(config=steps, made=Made(["fitted to *12* features"], by_steps=False)))
    assert yaml.safe_load(_block(fitted, "yaml", 1)) == {
        "data": {"image_size": 8},
        "model": {"network": {"class_path": "a.B"}},
        "trainer": {"precision": "32-true"},
    }
    assert "<li>fitted to *12* features</li>" in _body(fitted)
    assert "<li>No step of an optimiser was taken" in _body(fitted)


def test_pictures_learnt_from_are_those_of_all_splits_that_were() -> None:
    counts = {"train": [45, 45, 300], "val": [6, 3, 20], "test": [50, 50, 50]}
    training = _training(data=TrainingData("my_birds", counts))
    assert "Fewer than 50 pictures were learnt from of: blue_jay (45), bluebird (45)." in list(limits(training))
    both = replace(training, made=Made(learnt=["train", "val"]))
    assert "Fewer than 50 pictures were learnt from of: bluebird (48)." in list(limits(both))


def test_the_card_of_a_real_run_leaves_nothing_open(trained: Path) -> None:
    model = load_model(trained)
    config = yaml.safe_load((trained / "config.yaml").read_text())
    counts = {"train": [14] * 3, "val": [3] * 3, "test": [3] * 3}
    data = TrainingData("birds", counts, ("val", "test"))
    card = model_card(Training("small", model, data, ["blue"], config, ["bluebird", "train"], versions()))
    assert not re.search(r"\b(nan|None|TODO|Undefined)\b|More Information|\{\{|\{%|\n\n\n", card)
    assert str(trained.parent) not in card
    accuracy = _front(card)["model-index"][0]["results"][0]["metrics"][0]["value"]
    assert accuracy == pytest.approx(model.metrics["test/accuracy"], abs=1e-6)
    assert yaml.safe_load(_block(card, "yaml", 1))["model"]["network"]["class_path"] == "bluebird.nets.CNN"
