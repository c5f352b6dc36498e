"""The linear probe, held against scikit-learn's logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bluebird.transfer import Features, fit_probe

linear_model = pytest.importorskip("sklearn.linear_model")


def clouds(count: int, seed: int, num_classes: int = 4) -> Features:
    """Classes that overlap, features of very different size, one of which never varies."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(num_classes, 6, generator=torch.Generator().manual_seed(99))
    targets = torch.arange(count) % num_classes
    values = centres[targets] + torch.randn(count, 6, generator=generator)
    values = values * torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0, 4.0]) + 5
    values[:, 4] = 7.0
    return Features(values, targets)


def sklearn_logits(train: Features, x: torch.Tensor, weight_decay: float) -> np.ndarray:
    values = train.values.double().numpy()
    spread = np.sqrt(values.var(axis=0).mean())
    model = linear_model.LogisticRegression(C=1 / (weight_decay * len(train.values)), tol=1e-9, max_iter=5000)
    model.fit((values - values.mean(axis=0)) / spread, train.targets.numpy())
    return np.asarray(model.decision_function((x.double().numpy() - values.mean(axis=0)) / spread))


@pytest.mark.parametrize("weight_decay", [1.0, 0.03, 0.001])
def test_a_fit_is_that_of_scikit_learn(weight_decay: float) -> None:
    train, other = clouds(120, 0), clouds(40, 1)
    head = fit_probe(train, other, 4, [weight_decay]).head
    theirs = sklearn_logits(train, other.values, weight_decay)
    ours = head(other.values.double()).numpy()
    centred = ours - ours.mean(1, keepdims=True)  # a softmax does not see what is common to all classes
    assert np.allclose(centred, theirs - theirs.mean(1, keepdims=True), atol=2e-3)


def test_the_weight_decay_is_the_one_with_the_least_loss_on_val() -> None:
    train, val = clouds(60, 0), clouds(200, 1)
    probe = fit_probe(train, val, 4)
    losses = {}
    for decay, _, _ in probe.tried:
        probs = torch.tensor(sklearn_logits(train, val.values, decay)).softmax(1)
        losses[decay] = float(-probs[torch.arange(200), val.targets].log().mean())
    assert probe.weight_decay == min(losses, key=losses.__getitem__)
    assert {decay: loss for decay, loss, _ in probe.tried} == pytest.approx(losses, abs=2e-3)


def test_the_share_that_was_right_is_told() -> None:
    train, val = clouds(60, 0), clouds(200, 1)
    probe = fit_probe(train, val, 4, [0.1])
    right = (probe.head(val.values.double()).argmax(1) == val.targets).double().mean()
    assert probe.tried[0][2] == pytest.approx(float(right))


def test_a_class_without_pictures_is_never_chosen() -> None:
    train, val = clouds(60, 0), clouds(200, 1)
    logits = fit_probe(train, val, 5).head(val.values.double())
    assert logits.shape == (200, 5)
    assert not (logits.argmax(1) == 4).any()
