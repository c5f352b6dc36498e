from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bluebird.bundle import Bundle, assemble, describe
from bluebird.errors import BundleError
from bluebird.nets import MLP
from tests.bundle.example import PREPROCESSING, made


def _nudge(bundle: Bundle) -> Bundle:
    with torch.no_grad():
        parameter = next(bundle.network.parameters())
        parameter.view(-1)[3] = torch.nextafter(parameter.view(-1)[3], torch.tensor(9.0))
    return bundle


DIFFERENT: dict[str, Callable[[Bundle], Bundle]] = {
    "one bit of one weight": _nudge,
    "a class": lambda bundle: replace(bundle, classes=("jay", "owl")),
    "the order of classes": lambda bundle: replace(bundle, classes=("wren", "jay")),
    "the mean": lambda bundle: replace(bundle, preprocessing=replace(PREPROCESSING, mean=[0.1, 0.2, 0.31])),
    "the deviation": lambda bundle: replace(bundle, preprocessing=replace(PREPROCESSING, std=[0.41, 0.5, 0.6])),
    "the familiarity": lambda bundle: replace(bundle, familiarity=[1.0, 2.0]),
    "no familiarity": lambda bundle: replace(bundle, familiarity=[]),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_whatever_decides_on_a_score_changes_the_fingerprint(what: str) -> None:
    bundle = made()
    before = bundle.fingerprint
    assert DIFFERENT[what](bundle).fingerprint != before


def test_another_activation_with_the_same_weights_is_another_model() -> None:
    one, other = (MLP(2, 16, widths=[8], activation=activation) for activation in ("relu", "tanh"))
    other.load_state_dict(one.state_dict())
    assert made(one).fingerprint != made(other).fingerprint


def test_what_decides_on_no_score_leaves_the_fingerprint() -> None:
    bundle = made()
    assert replace(bundle, metrics={}, data_fingerprint="other").fingerprint == bundle.fingerprint


def test_a_temperature_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="temperature of 0"):
        assemble(describe(made()) | {"temperature": 0}, made().network.state_dict(), tmp_path)
