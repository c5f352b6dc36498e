from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bluebird.scratch.descent import SGD, Adam, descend
from bluebird.scratch.seven import backward, error
from tests.scratch.oracle import draw

X = torch.linspace(-3, 3, 60, dtype=torch.float64)
Y = torch.sin(X) + 0.5


def _step(theta: Tensor):  # type: ignore[no-untyped-def]
    def step(batch: Tensor) -> tuple[float, list[Tensor]]:
        return float(error(theta, X[batch], Y[batch])), [backward(theta, X[batch], Y[batch])]

    return step


def _batches(epoch: int) -> tuple[Tensor, ...]:
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(epoch))
    return order.split(20)


@pytest.mark.parametrize(
    ("by_hand", "oracle"),
    [
        (SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
        (SGD(0.05, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
        (Adam(0.02), lambda p: torch.optim.Adam(p, lr=0.02)),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_three_hundred_steps_end_where_autograd_and_torchs_optimiser_end(by_hand, oracle) -> None:  # type: ignore[no-untyped-def]
    theta, leaf = draw(0, 7), draw(0, 7).requires_grad_()
    descend([theta], _step(theta), _batches, by_hand, max_epochs=100)
    optimizer = oracle([leaf])
    for epoch in range(100):
        for batch in _batches(epoch):
            optimizer.zero_grad()
            hidden = torch.sigmoid(leaf[:2] + leaf[2:4] * X[batch, None])
            (0.5 * (Y[batch] - leaf[4] - hidden @ leaf[5:]).square().mean()).backward()
            optimizer.step()
    torch.testing.assert_close(theta, leaf.detach(), rtol=1e-10, atol=1e-12)


def test_it_stops_when_nothing_moves_any_more() -> None:
    theta = draw(1, 7)
    descent = descend([theta], _step(theta), lambda _: [torch.arange(60)], SGD(0.3), max_epochs=10**5, threshold=1e-4)
    assert descent.reason == "converged"
    assert descent.movement < 1e-4
    assert descent.epochs == len(descent.path) == len(descent.errors) < 10**5
    assert descent.errors[-1] < 0.2 * descent.errors[0]
    last, previous = descent.path[-1][0], descent.path[-2][0]
    assert float((last - previous).abs().max()) == descent.movement


def test_it_stops_at_the_last_epoch_at_the_latest() -> None:
    theta = draw(1, 7)
    descent = descend([theta], _step(theta), _batches, SGD(0.3), max_epochs=3, threshold=1e-12)
    assert (descent.reason, descent.epochs, len(descent.errors)) == ("max_epochs", 3, 9)


def test_an_error_that_is_no_number_any_more_ends_it() -> None:
    theta = torch.zeros(1)
    with pytest.raises(ValueError, match="error became inf in epoch 1; lower the learning rate"):
        descend([theta], lambda _: (float("inf"), [theta]), lambda _: [None], SGD(1.0), max_epochs=1)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_rates_and_thresholds_at_or_below_zero_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="lr is"):
        SGD(value)
    with pytest.raises(ValueError, match="lr is"):
        Adam(value)
    with pytest.raises(ValueError, match="threshold is"):
        descend([], lambda _: (0.0, []), lambda _: [None], SGD(1.0), max_epochs=1, threshold=value)
