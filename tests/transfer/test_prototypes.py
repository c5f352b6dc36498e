"""Prototypes, held against cosines worked out one by one."""

from __future__ import annotations

import math

import torch

from bluebird.transfer import Features, prototypes


def spread(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 5, generator=generator) * torch.tensor([1.0, 4.0, 0.2, 1.0, 1.0]) + 2


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


def test_pictures_go_to_the_class_whose_mean_direction_is_nearest() -> None:
    values, targets = spread(12, 0), torch.arange(12) % 4
    head = prototypes(Features(values, targets), 4)
    centre, width = values.double().mean(0), values.double().std(0, correction=0)
    directions = [((row - centre) / width).tolist() for row in values.double()]
    directions = [[x / math.hypot(*row) for x in row] for row in directions]
    middles = [
        [sum(column) for column in zip(*(directions[n] for n in range(12) if targets[n] == label), strict=True)]
        for label in range(4)
    ]
    for row in spread(50, 1).double():
        scaled = ((row - centre) / width).tolist()
        cosines = torch.tensor([cosine(scaled, middle) for middle in middles], dtype=torch.float64)
        logits = head(row)
        assert torch.equal(logits.argsort(), cosines.argsort())
        assert torch.allclose(logits / logits.norm(), cosines / cosines.norm())


def test_one_picture_of_each_class_is_enough() -> None:
    values = spread(4, 0)
    head = prototypes(Features(values, torch.arange(4)), 4)
    assert head(values.double()).argmax(1).tolist() == [0, 1, 2, 3]


def test_a_class_without_a_picture_gets_the_logit_zero() -> None:
    head = prototypes(Features(spread(4, 0), torch.tensor([0, 1, 3, 3])), 4)
    assert head(spread(9, 1).double())[:, 2].abs().max() < 1e-9


def test_features_that_never_vary_do_no_harm() -> None:
    values = spread(6, 0)
    values[:, 2] = 3.0
    assert prototypes(Features(values, torch.arange(6) % 2), 2)(values.double()).isfinite().all()
