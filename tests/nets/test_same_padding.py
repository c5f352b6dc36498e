from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from bluebird.errors import UsageError
from bluebird.nets import Backbone
from bluebird.nets.pretrained import load_pretrained
from bluebird.nets.same_padding import pad_same


def tensorflow(images: np.ndarray, kernel: np.ndarray, stride: int, dilation: int) -> np.ndarray:
    """SAME as TensorFlow documents it, place by place: one channel (H, W), kernel (k, k)."""
    sides, reach = images.shape, (len(kernel) - 1) * dilation + 1
    counts = [math.ceil(side / stride) for side in sides]
    before = [max((count - 1) * stride + reach - side, 0) // 2 for count, side in zip(counts, sides, strict=True)]
    result = np.zeros(counts)
    for i, j in np.ndindex(*counts):
        for a, b in np.ndindex(*kernel.shape):
            y, x = i * stride + a * dilation - before[0], j * stride + b * dilation - before[1]
            if 0 <= y < sides[0] and 0 <= x < sides[1]:
                result[i, j] += kernel[a, b] * images[y, x]
    return result


@pytest.mark.parametrize("sides", [(8, 8), (7, 7), (9, 10), (1, 2)])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 2, 1), (5, 2, 1), (7, 2, 1), (2, 3, 1), (3, 2, 2)])
def test_places_are_those_of_tensorflow_at_even_and_odd_sides(
    sides: tuple[int, int], kernel: int, stride: int, dilation: int
) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(1, 1, kernel, stride, padding=1, dilation=dilation, bias=False).double()
    assert pad_same(convolution) == 1
    images = torch.randn(1, 1, *sides, dtype=torch.float64)
    expected = tensorflow(images[0, 0].numpy(), convolution.weight[0, 0].detach().numpy(), stride, dilation)
    np.testing.assert_allclose(convolution(images)[0, 0].detach().numpy(), expected, atol=1e-12)


def test_at_even_sides_it_is_one_zero_behind_and_below() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3, 2, padding=1)
    images = torch.randn(2, 3, 6, 6)
    padded = nn.functional.conv2d(nn.ZeroPad2d((0, 1, 0, 1))(images), convolution.weight, convolution.bias, stride=2)
    pad_same(convolution)
    torch.testing.assert_close(convolution(images), padded)


def test_only_what_is_strided_and_pads_is_changed() -> None:
    strided, dense, valid = nn.Conv2d(1, 1, 3, 2, 1), nn.Conv2d(1, 1, 3, 1, 1), nn.Conv2d(1, 1, 3, 2, 0)
    assert pad_same(nn.Sequential(strided, dense, valid)) == 1
    assert (strided.padding, dense.padding, valid.padding) == ((0, 0), (1, 1), (0, 0))


def test_convolution_and_batch_norm_are_still_fused_to_the_same_result() -> None:
    torch.manual_seed(0)
    network = Backbone(3, 33, "resnet18", padding="same")
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        assert isinstance(norm.running_mean, Tensor)
        norm.running_mean.normal_(0, 0.1)
    images = torch.randn(2, 3, 33, 33)
    faster = fuse(network.eval())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in faster.modules())
    torch.testing.assert_close(faster(images), network(images))


def test_names_of_the_weights_stay_those_of_the_library() -> None:
    assert Backbone(3, 32, padding="same").state_dict().keys() == Backbone(3, 32).state_dict().keys()


def test_an_architecture_without_such_a_convolution_is_refused() -> None:
    with pytest.raises(UsageError, match="vit_b_32 has no strided convolution that pads; leave it 'as_built'"):
        Backbone(3, 32, "vit_b_32", padding="same")


def test_weights_of_tensorflow_know_birds_better_with_it(real_pictures: Path) -> None:
    """Cross-entropy on photos: how sure the network is of what it says, by the weights' own head."""
    labels = (real_pictures / "weights" / "inat_bird_labels.txt").read_text().splitlines()
    photos, targets = [], []
    for folder, said in [("014.Indigo_Bunting", "(Indigo Bunting)"), ("073.Blue_Jay", "(Blue Jay)")]:
        for file in sorted((real_pictures / "cub100" / "test" / folder).iterdir())[:4]:
            with Image.open(file) as photo:
                photos.append(np.array(photo.convert("RGB").resize((224, 224))))
            targets.append(next(number for number, label in enumerate(labels) if said in label))
    images = (torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() - 128) / 128
    losses = {}
    for padding in ("as_built", "same"):
        network = Backbone(965, 224, "mobilenet_v2", padding=padding).eval()
        load_pretrained(network, real_pictures / "weights" / "mobilenet_v2_inat_birds.pth")
        with torch.no_grad():
            logits = network.logits(images)
        losses[padding] = float(nn.functional.cross_entropy(logits, torch.tensor(targets)))
        assert float((logits.argmax(1) == torch.tensor(targets)).float().mean()) > 0.7
    assert losses["same"] < losses["as_built"]
