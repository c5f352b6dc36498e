"""The linear probe, held against scikit-learn's logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bluebird.transfer import Features, fit_probe
from bluebird.transfer.probe import WEIGHT_DECAYS

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
    head = fit_probe(train, 4, [weight_decay]).head
    assert_same_decisions(head(other.values.double()).numpy(), sklearn_logits(train, other.values, weight_decay))


def test_more_features_than_pictures_change_nothing() -> None:
    mixed = torch.randn(6, 300, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    train, other = (Features(part.values.double() @ mixed, part.targets) for part in (clouds(60, 0), clouds(40, 1)))
    head = fit_probe(train, 4, [0.1]).head
    assert head.weight.shape == (4, 300)
    assert_same_decisions(head(other.values).numpy(), sklearn_logits(train, other.values, 0.1))


def assert_same_decisions(ours: np.ndarray, theirs: np.ndarray) -> None:
    centred = ours - ours.mean(1, keepdims=True)  # a softmax does not see what is common to all classes
    assert np.allclose(centred, theirs - theirs.mean(1, keepdims=True), atol=2e-3)


def test_the_weight_decay_is_the_strongest_that_is_as_good_as_any_on_what_is_held_out() -> None:
    train = clouds(60, 0)
    scale = train.values.double().var(0, correction=0).mean().sqrt()
    scaled = Features((train.values.double() - train.values.double().mean(0)) / scale, train.targets)
    probe = fit_probe(train, 4)
    losses, errors, rights = {}, {}, {}
    for trial in probe.trials:
        probs = held_out_probs(scaled, trial.weight_decay)
        each = -probs[torch.arange(60), train.targets].log().numpy()
        losses[trial.weight_decay] = each.mean()
        errors[trial.weight_decay] = each.std(ddof=1) / 60**0.5
        rights[trial.weight_decay] = float((probs.argmax(1) == train.targets).double().mean())
    assert {trial.weight_decay: trial.loss for trial in probe.trials} == pytest.approx(losses, abs=2e-3)
    assert {trial.weight_decay: trial.accuracy for trial in probe.trials} == pytest.approx(rights)
    least = min(losses, key=losses.__getitem__)
    assert probe.best.weight_decay == max(decay for decay in losses if losses[decay] <= losses[least] + errors[least])
    assert probe.best.weight_decay > least


def held_out_probs(scaled: Features, weight_decay: float) -> torch.Tensor:
    """Of 15 pictures in each of 4 classes: quarters of 4, 4, 4 and 3, the first quarter of class k with the fold k."""
    place = torch.arange(60) // 4
    quarter = torch.bucketize(place, torch.tensor([3, 7, 11]))
    folds = (quarter + scaled.targets) % 4
    probs = torch.empty(60, 4, dtype=torch.float64)
    for fold in range(4):
        inside = folds == fold
        model = linear_model.LogisticRegression(C=1 / (weight_decay * int((~inside).sum())), tol=1e-9, max_iter=5000)
        model.fit(scaled.values[~inside].numpy(), scaled.targets[~inside].numpy())
        probs[inside] = torch.from_numpy(model.predict_proba(scaled.values[inside].numpy()))
    return probs


def test_weaker_decays_are_left_untried_once_two_were_no_better() -> None:
    trials = fit_probe(clouds(60, 0), 4).trials
    losses = [trial.loss for trial in trials]
    assert losses.index(min(losses)) == len(losses) - 3
    assert len(trials) < len(WEIGHT_DECAYS)


def test_one_picture_of_each_class_is_enough() -> None:
    head = fit_probe(Features(torch.eye(3), torch.arange(3)), 3).head
    assert head(torch.eye(3, dtype=torch.float64)).argmax(1).tolist() == [0, 1, 2]


def test_a_class_without_pictures_is_never_chosen() -> None:
    logits = fit_probe(clouds(60, 0), 5).head(clouds(200, 1).values.double())
    assert logits.shape == (200, 5)
    assert not (logits.argmax(1) == 4).any()
