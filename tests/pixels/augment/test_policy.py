from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from bluebird.pixels.augment.policy import operate, rand_augment, rand_space, trivial_augment, trivial_space

FILL = [120.0, 130.0, 90.0]
BILINEAR = v2.InterpolationMode.BILINEAR
THEIRS: dict[str, Any] = {
    "trivial": v2.TrivialAugmentWide(interpolation=BILINEAR, fill=FILL),
    "rand": v2.RandAugment(interpolation=BILINEAR, fill=FILL),
}
OURS = {
    "trivial": trivial_augment(FILL),
    "rand": rand_augment(FILL),
}
SPACES = {"trivial": trivial_space, "rand": rand_space}


def _images(n: int, side: int = 24) -> torch.Tensor:
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(n, 3, side, side)), (0, 0, 2, 2))
    return torch.from_numpy((128 + 60 * noise / noise.std()).clip(10, 245).astype(np.uint8))


@pytest.mark.parametrize("policy", ["trivial", "rand"])
def test_there_are_the_operations_of_torchvision(policy: str) -> None:
    assert list(SPACES[policy](24)) == list(THEIRS[policy]._AUGMENTATION_SPACE)


@pytest.mark.parametrize("policy", ["trivial", "rand"])
@pytest.mark.parametrize("name", list(trivial_space(24)))
def test_an_operation_does_to_many_pictures_what_torchvisions_does_to_each(policy: str, name: str) -> None:
    images = _images(31)
    magnitudes, signed = THEIRS[policy]._AUGMENTATION_SPACE[name]
    theirs = magnitudes(31, 24, 24)
    sign = torch.where(torch.arange(31) % 2 == 0, 1, -1) if signed else torch.ones(31)
    ours = operate(name, images, torch.linspace(*SPACES[policy](24)[name], 31) * sign, FILL)
    for number, image in enumerate(images):
        magnitude = 0.0 if theirs is None else float(theirs[number]) * float(sign[number])
        expected = THEIRS[policy]._apply_image_or_video_transform(
            image, name, magnitude, BILINEAR, {torch.Tensor: FILL}
        )
        difference = (ours[number].int() - expected.int()).abs()
        assert difference.max() <= 1
        assert difference.float().mean() < 0.2  # where a product is whole, the last bit decides which byte it is cut to


@pytest.mark.parametrize("policy", ["trivial", "rand"])
def test_pictures_change_as_much_and_as_often_as_by_torchvision(policy: str) -> None:
    torch.manual_seed(6)
    images = _images(1).expand(3000, 3, 24, 24)
    ours = OURS[policy](images)
    theirs = torch.stack([THEIRS[policy](image) for image in images])
    changes = [(varied.float() - images.float()).abs().mean((1, 2, 3)).round(decimals=1) for varied in (ours, theirs)]
    assert ks_2samp(changes[0].numpy(), changes[1].numpy()).pvalue > 0.01
    means = [varied.float().mean((1, 2, 3)).round(decimals=1) for varied in (ours, theirs)]
    assert ks_2samp(means[0].numpy(), means[1].numpy()).pvalue > 0.01


def test_the_pictures_handed_in_stay_as_they_are() -> None:
    images = _images(60)
    before = images.clone()
    OURS["rand"](images)
    assert torch.equal(images, before)
