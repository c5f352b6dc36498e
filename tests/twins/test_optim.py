"""The optimisers by hand against torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import Optimizer

from bluebird.errors import UsageError
from bluebird.twins import SGD, Adam
from tests.scratch.oracle import draw

PAIRS: dict[str, tuple[Callable[[Any], Optimizer], Callable[[Any], Optimizer]]] = {
    "sgd": (lambda p: SGD(p, lr=0.1, momentum=0.0), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (lambda p: SGD(p, lr=0.05), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "adam": (lambda p: Adam(p, lr=0.02), lambda p: torch.optim.Adam(p, lr=0.02)),
}


def _groups(parameters: list[torch.Tensor]) -> list[dict[str, Any]]:
    return [{"params": parameters[:1]}, {"params": parameters[1:], "weight_decay": 0.0}]


@pytest.mark.parametrize("name", PAIRS)
def test_a_hundred_steps_on_a_schedule_are_those_of_torch(name: str) -> None:
    sides = [[draw(0, 3, 4), draw(1, 4)] for _ in range(2)]
    optimizers = [make(_groups(side)) for make, side in zip(PAIRS[name], sides, strict=True)]
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)) for o in optimizers]
    for step in range(100):
        for side, optimizer, schedule in zip(sides, optimizers, schedules, strict=True):
            for n, parameter in enumerate(side):
                parameter.grad = draw(10 * step + n, *parameter.shape) + parameter
            optimizer.step()
            schedule.step()
    for by_hand, by_torch in zip(*sides, strict=True):
        torch.testing.assert_close(by_hand, by_torch, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_a_state_that_was_kept_goes_on_where_it_stopped(name: str) -> None:
    whole, broken = draw(0, 5), draw(0, 5)
    optimizer = PAIRS[name][0]([whole])
    first, second = PAIRS[name][0]([broken]), PAIRS[name][0]([broken])
    for step in range(10):
        whole.grad = draw(step, 5)
        optimizer.step()
    for step in range(10):
        broken.grad = draw(step, 5)
        if step == 5:
            second.load_state_dict(first.state_dict())
        (first if step < 5 else second).step()
    assert torch.equal(whole, broken)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: SGD([draw(0, 2)], lr=0), "lr is 0; expected a finite number above 0"),
        (lambda: SGD([draw(0, 2)], momentum=1.0), "momentum is 1.0; expected"),
        (lambda: Adam([draw(0, 2)], lr=float("nan")), "lr is nan"),
        (lambda: Adam([draw(0, 2)], betas=(0.9, 1.0)), "beta2 is 1.0"),
        (lambda: Adam([draw(0, 2)], eps=0.0), "eps is 0.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(make: Callable[[], object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        make()
