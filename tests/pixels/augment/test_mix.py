from __future__ import annotations

import pytest
import torch

from bluebird.pixels.augment.mix import mixing

TARGETS = torch.arange(30) % 3


def _mixed(mixup: float, cutmix: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of class k are white in channel k alone, so that what is seen of a class is its channel's mean."""
    images = torch.eye(3)[TARGETS][:, :, None, None].expand(30, 3, 8, 8).contiguous()
    mix = mixing(mixup, cutmix, num_classes=3)
    assert mix is not None
    images, targets = mix(images, TARGETS)
    return images, targets


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.5, 0.0), (0.0, 1.0), (0.5, 1.0)])
def test_targets_are_the_shares_of_what_is_seen(mixup: float, cutmix: float) -> None:
    torch.manual_seed(1)
    for _ in range(20):
        images, targets = _mixed(mixup, cutmix)
        assert (targets.dtype, targets.shape) == (torch.float32, (30, 3))
        torch.testing.assert_close(targets, images.mean((2, 3)), atol=1e-6, rtol=0)
        torch.testing.assert_close(targets.sum(1), torch.ones(30))


def _is_pasted(images: torch.Tensor) -> bool:
    return bool(((images == 0) | (images == 1)).all())


def test_with_both_a_coin_decides_for_each_batch() -> None:
    torch.manual_seed(2)
    pasted = [_is_pasted(_mixed(1.0, 1.0)[0]) for _ in range(100)]
    assert 30 < sum(pasted) < 70


def test_with_one_it_is_always_that_one() -> None:
    torch.manual_seed(3)
    assert all(_is_pasted(_mixed(0.0, 1.0)[0]) for _ in range(20))
    assert not any(_is_pasted(_mixed(1.0, 0.0)[0]) for _ in range(20))


def test_the_smaller_alpha_is_the_purer_pictures_stay() -> None:
    torch.manual_seed(4)
    purest = [torch.stack([_mixed(alpha, 0.0)[1].amax() for _ in range(200)]).mean() for alpha in (0.1, 0.4, 4.0)]
    assert purest[0] > purest[1] > purest[2]
    # the greater share of Beta(1, 1), which is flat, is 3/4 in the mean
    assert torch.stack([_mixed(1.0, 0.0)[1].amax() for _ in range(400)]).mean() == pytest.approx(0.75, abs=0.03)


def test_without_either_nothing_is_mixed() -> None:
    assert mixing(0.0, 0.0, num_classes=3) is None
