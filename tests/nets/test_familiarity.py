from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from bluebird.nets.familiarity import QUANTILES, familiarity, novelty, quantiles


def _log_sum_exp(row: list[float]) -> float:
    """In float64, with the greatest taken out so that nothing overflows."""
    greatest = max(row)
    return greatest + math.log(math.fsum(math.exp(value - greatest) for value in row))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
def test_familiarity_is_the_log_of_the_sum_of_exponentials(scale: float) -> None:
    draw = random.Random(0)
    rows = [[draw.gauss(0, scale) for _ in range(5)] for _ in range(20)]
    expected = torch.tensor([_log_sum_exp(row) for row in rows], dtype=torch.float32)
    torch.testing.assert_close(familiarity(torch.tensor(rows)), expected, rtol=1e-6, atol=1e-6)


def test_familiarity_of_half_precision_is_worked_out_in_single() -> None:
    logits = torch.tensor([[12.0, 12.0, 12.0, 12.0]], dtype=torch.bfloat16)
    assert familiarity(logits).dtype == torch.float32
    assert float(familiarity(logits)) == pytest.approx(12 + math.log(4), abs=1e-5)


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
