from __future__ import annotations

import numpy as np
import pytest
import torch

from bluebird.errors import UsageError
from bluebird.nets import WhitenedCNN
from bluebird.nets.whitened import WhitenedUnits


def blurred(count: int = 64, side: int = 12) -> torch.Tensor:
    """Pictures whose neighbouring pixels and whose channels are alike."""
    noise = torch.randn(count, 3, side + 2, side + 2, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise, 3, stride=1)
    return smooth + 0.8 * smooth.mean(1, keepdim=True)


def test_what_leaves_the_first_layer_is_uncorrelated_and_of_variance_one() -> None:
    network = WhitenedCNN(3, 12, widths=[8])
    network.measure(blurred())
    seen = network.whiten(blurred()).detach().double().movedim(1, 3).flatten(0, 2).numpy()
    forwards, backwards = seen[:, :12], seen[:, 12:]
    np.testing.assert_allclose(np.cov(forwards.T), np.eye(12), atol=0.06)  # the least direction is held down by noise
    np.testing.assert_allclose(backwards, -forwards)


def test_before_it_has_measured_neighbours_are_alike() -> None:
    seen = WhitenedCNN(3, 12, widths=[8]).whiten(blurred()).detach().movedim(1, 3).flatten(0, 2).numpy()
    assert np.abs(np.corrcoef(seen.T) - np.eye(24)).max() > 0.5


def test_what_is_measured_is_not_learnt() -> None:
    network = WhitenedCNN(3, 12, widths=[8])
    network.logits(blurred(4)).sum().backward()
    assert network.whiten.weight.grad is None
    assert sum(not parameter.requires_grad for parameter in network.parameters()) == 1


def test_a_convolution_begins_by_handing_on_what_it_sees() -> None:
    units = WhitenedUnits(4, 6)
    maps = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(units.widen(maps)[:, :4], maps)
    wide = torch.randn(2, 6, 8, 8)
    torch.testing.assert_close(units.refine(wide), wide)


def test_a_mirrored_picture_has_the_same_features() -> None:
    network = WhitenedCNN(3, 16, widths=[8, 8], mirror=True).eval()
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(network.features(images), network.features(images.flip(-1)))
    assert not torch.equal(network.train().features(images), network.features(images.flip(-1)))


@pytest.mark.parametrize("mirror", [False, True])
def test_the_features_of_moved_looks_are_the_mean_of_those_of_pictures_moved_beforehand(mirror: bool) -> None:
    network = WhitenedCNN(3, 16, widths=[8, 8], mirror=mirror, moved=True).eval()
    plain = WhitenedCNN(3, 16, widths=[8, 8]).eval()
    plain.load_state_dict(network.state_dict())
    images = torch.randn(2, 3, 16, 16)
    framed = np.pad(images.numpy(), [(0, 0), (0, 0), (1, 1), (1, 1)], mode="reflect")
    looks = [framed[:, :, :16, :16], framed[:, :, 2:, 2:]]
    looks += [look[..., ::-1] for look in looks] if mirror else []
    expected = sum(plain.features(torch.from_numpy(look.copy())) for look in looks) / len(looks)
    torch.testing.assert_close(network.features(images), expected)
    network.train()
    plain.train()
    assert torch.equal(network.features(images), plain.features(images))


@pytest.mark.parametrize(("side", "widths"), [(8, [4, 4, 4]), (2, [4])])
def test_a_picture_that_would_have_no_place_left_is_refused(side: int, widths: list[int]) -> None:
    least = 2 ** len(widths) + 1
    with pytest.raises(UsageError, match=f"need at least {least} px"):
        WhitenedCNN(3, side, widths)
    WhitenedCNN(3, least, widths).eval()(torch.zeros(1, 3, least, least))


@pytest.mark.parametrize("side", [8, 32, 224, 4000])
def test_what_is_measured_stays_small_however_large_the_pictures_are(side: int) -> None:
    count = WhitenedCNN(2, side, widths=[1]).pictures_to_measure
    assert count == 1 or 2**21 < count * side**2 <= 2**22
