from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from bluebird.nets.familiarity import QUANTILES, familiarity, novelty, quantiles


def test_familiarity_is_the_greatest_logit() -> None:
    draw = random.Random(0)
    rows = [[draw.gauss(0, 30) for _ in range(5)] for _ in range(20)]
    assert familiarity(torch.tensor(rows)).tolist() == pytest.approx([max(row) for row in rows])


def test_a_sure_picture_may_still_be_unfamiliar() -> None:
    sure, unsure = torch.tensor([[3.0, -30.0]]), torch.tensor([[9.0, 8.9]])
    assert sure.softmax(1).max() > unsure.softmax(1).max()
    assert float(familiarity(sure)) < float(familiarity(unsure))


def test_familiarity_of_half_precision_is_single() -> None:
    assert familiarity(torch.tensor([[12.0, 1.0]], dtype=torch.bfloat16)).dtype == torch.float32


@pytest.mark.parametrize("count", [1, 2, 9, 100, 1234])
def test_quantiles_are_those_of_numpy(count: int) -> None:
    values = np.random.default_rng(count).normal(3, 2, count).astype(np.float32)
    got = quantiles(torch.from_numpy(values))
    assert got == pytest.approx(np.quantile(values.astype(np.float64), np.linspace(0, 1, QUANTILES)), abs=1e-9)
    assert got == sorted(got)
    assert (len(got), got[0], got[-1]) == (QUANTILES, float(values.min()), float(values.max()))


def test_quantiles_are_plain_numbers_that_json_can_hold() -> None:
    assert {type(value) for value in quantiles(torch.rand(50))} == {float}


def test_novelty_is_the_share_of_known_pictures_that_look_more_familiar() -> None:
    known = torch.tensor([1.0, 2.0, 3.0, 4.0])
    values = torch.tensor([-math.inf, 0.5, 1.0, 1.5, 2.0, 2.5, 3.5, 4.0, 4.5, math.inf])
    expected = [sum(float(k) > float(value) for k in known) / 4 for value in values]
    assert expected == [1, 1, 0.75, 0.75, 0.5, 0.5, 0.25, 0, 0, 0]
    assert novelty(values, known).tolist() == expected


def test_a_picture_like_the_only_known_one_is_not_novel() -> None:
    known = torch.tensor(quantiles(torch.tensor([2.5])))
    assert novelty(torch.tensor([2.4, 2.5, 2.6]), known).tolist() == [1, 0, 0]


def test_more_familiar_is_never_more_novel() -> None:
    known = torch.tensor(quantiles(torch.randn(500, generator=torch.Generator().manual_seed(0))))
    got = novelty(torch.linspace(-6, 6, 1000), known)
    assert bool((got[1:] <= got[:-1]).all())
    assert (float(got.max()), float(got.min())) == (1, 0)
