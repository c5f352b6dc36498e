from __future__ import annotations

import torch
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from bluebird.pixels.augment.erase import RandomErasing

SIDE = 40


def _erased(n: int, probability: float) -> torch.Tensor:
    """Where each of N pictures of ones was erased, bool (N, S, S)."""
    torch.manual_seed(2)
    images: torch.Tensor = RandomErasing(probability)(torch.ones(n, 3, SIDE, SIDE))
    assert set(images.flatten().tolist()) <= {0.0, 1.0}
    assert torch.equal(images.amin(1), images.amax(1))  # all channels or none
    hidden: torch.Tensor = images[:, 0] == 0
    return hidden


def test_one_rectangle_is_erased_and_all_else_left() -> None:
    hidden = _erased(300, 1.0)
    rows, columns = hidden.any(2), hidden.any(1)
    assert torch.equal(hidden, rows[:, :, None] & columns[:, None, :])
    for lines in (rows, columns):
        starts = (lines[:, 1:] & ~lines[:, :-1]).sum(1) + lines[:, 0]
        assert (starts == 1).all()


def test_each_picture_is_erased_or_not_on_its_own() -> None:
    share = _erased(2000, 0.3).flatten(1).any(1).float().mean()
    assert 0.26 < share < 0.34


def test_rectangles_are_those_of_torchvision() -> None:
    hidden = _erased(3000, 1.0)
    ours = {
        "h": hidden.any(2).sum(1),
        "w": hidden.any(1).sum(1),
        "i": hidden.any(2).int().argmax(1),
        "j": hidden.any(1).int().argmax(1),
    }
    theirs = v2.RandomErasing(p=1.0)
    drawn = [theirs.make_params([torch.empty(3, SIDE, SIDE)]) for _ in range(3000)]
    for name, values in ours.items():
        assert ks_2samp(values.numpy(), [box[name] for box in drawn]).pvalue > 0.01


def test_rectangles_reach_every_edge() -> None:
    hidden = _erased(1000, 1.0).any(0)
    assert all(edge.any() for edge in (hidden[0], hidden[-1], hidden[:, 0], hidden[:, -1]))


def test_without_a_probability_nothing_is_erased() -> None:
    assert not _erased(50, 0.0).any()
