"""A real TensorBoard on a real run, asked over HTTP."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bluebird.watch.tensorboard import denormalise


@pytest.fixture(scope="module")
def server(trained: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(trained.parents[1]), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if address := re.search(r"http://\S+", line):
                    yield f"{address[0].rstrip('/')}/data"
                    break
            else:
                pytest.fail("tensorboard said no address")
        finally:
            process.kill()


def _get(url: str, body: dict[str, Any] | None = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: bytes = answer.read()
        return content


def _tags(server: str, plugin: str) -> dict[str, Any]:
    """Tags by run, asked again until the server has read the events."""
    import time

    for _ in range(60):
        tags: dict[str, Any] = json.loads(_get(f"{server}/plugin/{plugin}/tags"))
        if tags:
            return tags
        time.sleep(0.5)
    return {}


def test_the_curves_are_there(server: str) -> None:
    ((run, tags),) = _tags(server, "scalars").items()
    wanted = {"train/loss_step", "train/loss_epoch", "train/accuracy", "train/gradient_norm", "val/loss",
              "val/accuracy", "val/f1", "val/recall/blue", "val/average_precision", "val/looked_at_for_95",
              "test/accuracy", "lr-AdamW/pg1"}  # fmt: skip
    assert wanted <= set(tags)
    points = json.loads(_get(f"{server}/plugin/scalars/scalars?run={run}&tag=train/loss_epoch"))
    losses = [value for _, _, value in points]
    assert len(losses) == 4
    assert losses[-1] < losses[0]


def test_the_pictures_are_the_training_pictures_with_normalisation_undone(server: str) -> None:
    ((run, tags),) = _tags(server, "images").items()
    assert "pictures/train" in tags
    (entry, *_) = json.loads(_get(f"{server}/plugin/images/images?run={run}&tag=pictures/train&sample=0"))
    with Image.open(io.BytesIO(_get(f"{server}/plugin/images/individualImage?{entry['query']}"))) as picture:
        pixels = np.asarray(picture, dtype=float)
    assert pixels.shape == (20, 2 + 8 * 18, 3)  # a batch of 8 of 16 px, 2 px between
    colours = [pixels[4:16, 4 + 18 * n : 16 + 18 * n].mean((0, 1)) for n in range(8)]
    known = np.array([(40, 80, 200), (200, 40, 40), (40, 160, 60)])
    assert all(np.abs(known - colour).mean(1).min() < 25 for colour in colours)


def test_the_last_validation_adds_no_point_to_the_curves(server: str) -> None:
    ((run, _),) = _tags(server, "scalars").items()
    points = json.loads(_get(f"{server}/plugin/scalars/scalars?run={run}&tag=val/loss"))
    assert len(points) == 4  # epochs


def test_the_search_for_the_bird_is_shown_at_the_end(server: str) -> None:
    ((run, tags),) = _tags(server, "images").items()
    assert {"val/looking", "val/precision_recall", "val/confusion", "val/reliability"} <= set(tags)
    (entry,) = json.loads(_get(f"{server}/plugin/images/images?run={run}&tag=val/looking&sample=0"))
    with Image.open(io.BytesIO(_get(f"{server}/plugin/images/individualImage?{entry['query']}"))) as picture:
        assert np.asarray(picture.convert("L")).std() > 10
    ((_, curves),) = _tags(server, "pr_curves").items()
    assert list(curves) == ["val/blue"]


def test_the_projector_has_a_point_and_a_thumbnail_for_each_held_out_picture(server: str, trained: Path) -> None:
    runs = json.loads(_get(f"{server}/plugin/projector/runs"))
    (run,) = runs
    info = json.loads(_get(f"{server}/plugin/projector/info?run={run}"))
    (embedding,) = info["embeddings"]
    assert embedding["tensorShape"] == [9, 16]  # three of each class; the features of the network
    name = urllib.parse.quote(embedding["tensorName"])
    labels = _get(f"{server}/plugin/projector/metadata?run={run}&name={name}").decode().split()
    assert sorted(labels) == ["blue"] * 3 + ["green"] * 3 + ["red"] * 3
    with Image.open(io.BytesIO(_get(f"{server}/plugin/projector/sprite_image?run={run}&name={name}"))) as sprite:
        assert sprite.size == (3 * 48, 3 * 48)
        colours = np.asarray(sprite.convert("RGB"), dtype=float)[24::48, 24::48].reshape(-1, 3)
    own = {"blue": 2, "green": 1, "red": 0}
    assert [int(colour.argmax()) for colour in colours] == [own[label] for label in labels]


def test_the_graph_and_the_histograms_are_there(server: str) -> None:
    ((run, tags),) = _tags(server, "histograms").items()
    assert {"network/stem/0/weight", "network/head/bias"} <= set(tags)
    graph = _get(f"{server}/plugin/graphs/graph?run={run}&limit_attr_size=1024&large_attrs_key=_large").decode()
    assert "convolution" in graph
    assert "softmax" in graph


def test_the_hyper_parameters_stand_beside_the_final_metrics(server: str) -> None:
    _tags(server, "scalars")
    experiment = json.loads(_get(f"{server}/plugin/hparams/experiment", {"experimentName": ""}))
    names = {info["name"] for info in experiment["hparamInfos"]}
    assert {"data.image_size", "model.optimizer.init_args.lr", "model.label_smoothing"} <= names
    metrics = {info["name"]["tag"] for info in experiment["metricInfos"]}
    assert {"hparam/test/accuracy", "hparam/test/f1"} <= metrics


def test_normalisation_is_undone_by_its_formula() -> None:
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
    pictures = torch.rand(2, 3, 5, 5)
    normalised = (pictures - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    torch.testing.assert_close(denormalise(normalised, mean, std), pictures)
