from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bluebird.errors import UsageError
from bluebird.pixels.transforms import Augment, eval_transform, train_transform

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


def _images(n: int = 64, side: int = 12) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_looking_normalises_each_channel_by_the_formula() -> None:
    images = _images()
    expected = (images.double().numpy() / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    np.testing.assert_allclose(eval_transform(MEAN, STD)(images).numpy(), expected, atol=1e-5)


def test_looking_is_never_random() -> None:
    transform = eval_transform(MEAN, STD)
    assert torch.equal(transform(_images()), transform(_images()))


def test_learning_without_augmentation_is_looking() -> None:
    plain = train_transform(MEAN, STD, Augment(flip=False, shift=0, zoom=0))
    assert torch.equal(plain(_images()), eval_transform(MEAN, STD)(_images()))


EACH_KIND = [
    Augment(),
    Augment(zoom=0.5, aspect=0.25),
    Augment(policy="trivial"),
    Augment(policy="rand"),
    Augment(erase=0.5),
]


@pytest.mark.parametrize("augment", EACH_KIND, ids=["default", "crops", "trivial", "rand", "erase"])
def test_the_random_state_alone_decides(augment: Augment) -> None:
    transform = train_transform(MEAN, STD, augment)
    torch.manual_seed(5)
    first = transform(_images())
    torch.manual_seed(5)
    assert torch.equal(transform(_images()), first)
    assert not torch.equal(transform(_images()), first)


@pytest.mark.parametrize("augment", EACH_KIND, ids=["default", "crops", "trivial", "rand", "erase"])
def test_whatever_varies_a_batch_it_stays_a_batch_of_the_contract(augment: Augment) -> None:
    images = _images().contiguous(memory_format=torch.channels_last)
    before = images.clone()
    varied = train_transform(MEAN, STD, augment)(images)
    assert (varied.dtype, varied.shape) == (torch.float32, images.shape)
    assert varied.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)


def test_what_is_hidden_or_beyond_the_edge_has_the_mean_colour() -> None:
    white = torch.full((200, 3, 16, 16), 255, dtype=torch.uint8)
    mean = [102 / 255, 51 / 255, 153 / 255]  # whole numbers of 255, so that bytes can hold them
    erased = train_transform(mean, STD, Augment(flip=False, shift=0, zoom=0, erase=1.0))(white)
    assert (erased.abs().amax(1) == 0).flatten(1).any(1).all()
    varied = train_transform(mean, STD, Augment(flip=False, shift=0, zoom=0, policy="trivial"))(white)
    beyond = (varied.abs().amax(1) < 1e-6).flatten(1).any(1)
    assert 30 < beyond.sum() < 90  # five operations of fourteen bring it into view, at most strengths


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"shift": -0.1}, "augment.shift is -0.1; expected a share"),
        ({"zoom": 1.0}, "augment.zoom is 1.0; expected a share"),
        ({"aspect": 1.0}, "augment.aspect is 1.0; expected a share"),
        ({"aspect": 0.2, "zoom": 0.0}, "raise zoom"),
        ({"policy": "auto"}, "augment.policy is 'auto'; expected none, trivial or rand"),
        ({"erase": 1.5}, "augment.erase is 1.5; expected a probability"),
        ({"mixup": -0.2}, "augment.mixup is -0.2; expected 0 or a finite number"),
        ({"cutmix": float("nan")}, "augment.cutmix is nan; expected 0 or a finite number"),
    ],
)
def test_settings_out_of_range_are_refused(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Augment(**arguments)
