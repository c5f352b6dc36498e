from __future__ import annotations

import math

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from bluebird.errors import UsageError
from bluebird.nets import CNN
from bluebird.nets.classifier import Classifier, lr_factor

CLASSES = ("a", "b", "c")


def _batch(n: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, 8, 8, generator=generator), torch.randint(0, 3, (n,), generator=generator)


def _loss(model: Classifier, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    model.eval()
    return float(model._shared_step(batch)[0].detach())


def _log_probs(model: Classifier, images: torch.Tensor) -> np.ndarray:
    return np.log(model.eval()(images).detach().double().numpy())


def test_the_loss_is_the_negative_log_of_the_targets_probability() -> None:
    model = Classifier(CLASSES, 8)
    images, targets = _batch()
    expected = -_log_probs(model, images)[np.arange(30), targets].mean()
    assert _loss(model, (images, targets)) == pytest.approx(expected, rel=1e-5)


def test_smoothing_spreads_a_share_over_all_classes() -> None:
    model = Classifier(CLASSES, 8, label_smoothing=0.3)
    images, targets = _batch()
    wanted = 0.7 * np.eye(3)[targets] + 0.3 / 3
    expected = -(wanted * _log_probs(model, images)).sum(1).mean()
    assert _loss(model, (images, targets)) == pytest.approx(expected, rel=1e-5)


def test_balancing_weighs_classes_by_the_inverse_of_their_count() -> None:
    model = Classifier(CLASSES, 8, class_counts=[10, 40, 50], balance=True)
    weights = np.array([100 / 30, 100 / 120, 100 / 150])
    assert model.class_weights is not None
    np.testing.assert_allclose(model.class_weights, weights, rtol=1e-6)
    images, targets = _batch()
    losses = -_log_probs(model, images)[np.arange(30), targets]
    expected = (weights[targets] * losses).sum() / weights[targets].sum()
    assert _loss(model, (images, targets)) == pytest.approx(expected, rel=1e-5)


def test_weight_decay_spares_biases_and_scales() -> None:
    model = Classifier(CLASSES, 8, network=lambda k, side: CNN(k, side, stem=4, widths=[8], blocks=[0]))
    model.trainer = L.Trainer(max_steps=10, logger=False, enable_checkpointing=False)
    optimizer = model.configure_optimizers()["optimizer"]  # type: ignore[index, call-overload]
    decayed, spared = optimizer.param_groups
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim == 1 for p in spared["params"])
    assert decayed["weight_decay"] > 0 == spared["weight_decay"]
    assert len(decayed["params"]) + len(spared["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_learning_rate_rises_to_its_peak_and_falls_to_its_end(schedule: str) -> None:
    factors = [lr_factor(step, 100, 0.2, schedule) for step in range(100)]
    assert max(factors) == 1 == factors[20]
    assert factors[:21] == sorted(factors[:21])
    assert factors[20:] == sorted(factors[20:], reverse=True)
    halfway = {"cosine": 0.5 * (1 + math.cos(math.pi / 2)), "linear": 0.5, "constant": 1.0}[schedule]
    assert factors[60] == pytest.approx(halfway)
    assert factors[99] < 0.02 or schedule == "constant"


def test_metrics_are_those_counted_by_hand() -> None:
    model = Classifier(CLASSES, 8)
    images, targets = _batch()
    loader = DataLoader(TensorDataset(images, targets), 7)
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
                        enable_model_summary=False)  # fmt: skip
    (metrics,) = trainer.test(model, loader, verbose=False)
    predicted = model.eval()(images).argmax(1).numpy()
    truth = targets.numpy()
    f1 = []
    for k, name in enumerate(CLASSES):
        hits = ((predicted == k) & (truth == k)).sum()
        assert metrics[f"test/recall/{name}"] == pytest.approx(hits / (truth == k).sum(), rel=1e-6)
        f1.append(2 * hits / ((predicted == k).sum() + (truth == k).sum()))
    assert metrics["test/accuracy"] == pytest.approx((predicted == truth).mean(), rel=1e-6)
    assert metrics["test/f1"] == pytest.approx(np.mean(f1), rel=1e-6)
    assert metrics["test/loss"] == pytest.approx(_loss(model, (images, targets)), rel=1e-5)


def test_predicting_gives_probabilities_with_or_without_targets() -> None:
    model = Classifier(CLASSES, 8).eval()
    batch = _batch()
    assert torch.equal(model.predict_step(batch), model.predict_step(batch[0]))
    torch.testing.assert_close(model.predict_step(batch).sum(1), torch.ones(30))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"warmup": 1.0}, "warmup is 1.0"),
        ({"label_smoothing": -0.1}, "label_smoothing is -0.1"),
        ({"balance": True}, "class_counts is None"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Classifier(CLASSES, 8, **arguments)  # type: ignore[arg-type]
