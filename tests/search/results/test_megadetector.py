from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bluebird.search.results import Failure, Find, write_megadetector
from tests.search.results.example import find, results

CLASSES = ("bluebird", "b", "c", "d", "e", " ")
FINDS = [
    Find(1, "in/a.jpg", 1.0, 0.0, (1.0, 0.0, 0.0, 0.0, 0.0, 0.0), 640, 480),
    Find(2, "b\udcff.jpg", 0.1, 0.0, (0.1, 0.3, 0.25, 0.2, 0.06, 0.09), 640, 480),
    Find(3, "clip.mp4#t=12.0", 0.0, 0.0, (0.0, 0.2, 0.2, 0.2, 0.2, 0.2), 640, 480),
]
FAILURES = [
    Failure("broken.jpg", "the file is empty (0 bytes)", "failed"),
    Failure("broken.MP4", "not a video", "failed"),
    Failure(".hidden", "hidden file", "skipped"),
]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_megadetector(results(FINDS, FAILURES, CLASSES), tmp_path / "megadetector.json")
    return tmp_path / "megadetector.json"


def _load(file: Path) -> dict[str, Any]:
    def refuse(number: str) -> float:
        raise AssertionError(f"{number} is no JSON")

    content: dict[str, Any] = json.loads(file.read_bytes().decode("ascii"), parse_constant=refuse)
    return content


def test_the_validator_of_megadetector_has_nothing_to_say(written: Path) -> None:
    validator = pytest.importorskip(
        "megadetector.postprocessing.validate_batch_results",
        reason="no megadetector (pip install --no-deps megadetector, and jsonpickle, opencv-python-headless, requests)",
        exc_type=ImportError,
    )
    said = validator.validate_batch_results(str(written))["validation_results"]
    assert said["errors"] == []
    assert said["warnings"] == []
    assert said["detection_category_id_to_count"] == {"1": 3}


def test_the_head_says_version_and_makers_as_strings(written: Path) -> None:
    content = _load(written)
    assert list(content) == ["info", "detection_categories", "classification_categories", "images"]
    info = content["info"]
    assert info["format_version"] == "1.6"
    assert info["classifier"] == "sha256:abc"
    assert info["detector"].startswith("bluebird ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", info["detection_completion_time"])
    assert content["detection_categories"] == {"1": "bluebird"}
    names = ["bluebird", "b", "c", "d", "e", "' '"]
    assert content["classification_categories"] == {str(i): name for i, name in enumerate(names)}


def test_a_scored_picture_is_one_box_over_all_of_it(written: Path) -> None:
    images = _load(written)["images"]
    assert [image["file"] for image in images[:3]] == ["in/a.jpg", r"b\udcff.jpg", "clip.mp4#t=12.0"]
    for image, one in zip(images[:3], FINDS, strict=True):
        (detection,) = image["detections"]
        assert detection["category"] == "1"
        assert detection["bbox"] == [0, 0, 1, 1]
        assert type(detection["conf"]) is float
        assert detection["conf"] == one.score
        assert "failure" not in image


def test_the_five_best_classes_come_in_descending_order(written: Path) -> None:
    detections = [image["detections"][0] for image in _load(written)["images"][:3]]
    assert detections[1]["classifications"] == [["1", 0.3], ["2", 0.25], ["3", 0.2], ["0", 0.1], ["5", 0.09]]
    for detection in detections:
        confidences = [confidence for _, confidence in detection["classifications"]]
        assert confidences == sorted(confidences, reverse=True)


def test_a_file_without_a_score_has_its_reason_and_no_detections(written: Path) -> None:
    assert _load(written)["images"][3:] == [
        {"file": "broken.jpg", "failure": "the file is empty (0 bytes)", "detections": None},
        {"file": "broken.MP4", "failure": "not a video", "detections": None, "frame_rate": -1, "frames_processed": []},
        {"file": ".hidden", "failure": "hidden file", "detections": None},
    ]


def test_an_empty_search_is_valid_too(tmp_path: Path) -> None:
    write_megadetector(results([]), tmp_path / "megadetector.json")
    assert _load(tmp_path / "megadetector.json")["images"] == []


def test_names_of_any_kind_stay_one_json_string(tmp_path: Path) -> None:
    names = ['a"b\\c\n.jpg', "\u2028.jpg", "</script>.jpg"]
    search = replace(results([find(i, name, 0.5) for i, name in enumerate(names, 1)]), model='a"b')
    write_megadetector(search, tmp_path / "megadetector.json")
    assert [image["file"] for image in _load(tmp_path / "megadetector.json")["images"]] == names
