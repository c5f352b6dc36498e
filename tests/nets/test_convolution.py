from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bluebird.nets.convolution import Convolution3x3, kernel_gradient

Result = tuple[Tensor, Tensor, Tensor]


def maps_of(side: tuple[int, int], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(6, 5, *side, generator=torch.Generator().manual_seed(1), dtype=dtype)


def learn(convolution: nn.Conv2d, maps: Tensor, *, bfloat16: bool) -> Result:
    """What comes out, and the gradients of maps and kernels, of a sum with a weight of its own for each place."""
    maps = maps.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        out = convolution(maps)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(2))
    (out.float() * weights).sum().backward()
    assert maps.grad is not None
    assert convolution.weight.grad is not None
    return out.detach().float(), maps.grad, convolution.weight.grad


def twins() -> tuple[Convolution3x3, nn.Conv2d]:
    torch.manual_seed(0)
    ours, torchs = Convolution3x3(5, 7), nn.Conv2d(5, 7, kernel_size=3, padding=1, bias=False)
    torchs.load_state_dict(ours.state_dict())
    return ours, torchs


@pytest.mark.parametrize("side", [(7, 7), (1, 1), (3, 8), (2, 1)])
def test_one_product_of_matrices_gives_the_kernels_what_autograd_gives_them(side: tuple[int, int]) -> None:
    maps = maps_of(side, torch.float64).contiguous(memory_format=torch.channels_last)
    kernels = torch.randn(7, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    out = functional.conv2d(maps, kernels, padding=1)
    slopes = torch.randn_like(out)
    (expected,) = torch.autograd.grad(out, kernels, slopes)
    torch.testing.assert_close(kernel_gradient(maps, slopes), expected)


@pytest.mark.parametrize("side", [3, 7, 8, 9, 16])
def test_in_bfloat16_the_gradients_are_those_of_float32_rounded(side: int) -> None:
    ours, torchs = twins()
    maps = maps_of((side, side))
    for got, exact in zip(learn(ours, maps, bfloat16=True), learn(torchs, maps, bfloat16=False), strict=True):
        assert got.dtype == torch.float32
        assert (got - exact).norm() < 0.01 * exact.norm()


def test_small_maps_in_bfloat16_go_another_way_and_no_others_do() -> None:
    ours, _ = twins()

    def way(side: int, *, bfloat16: bool) -> str:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            return type(ours(maps_of((side, side))).grad_fn).__name__

    assert "SmallMaps" in way(8, bfloat16=True)
    assert not [w for w in (way(9, bfloat16=True), way(8, bfloat16=False)) if "SmallMaps" in w]


def test_without_bfloat16_every_bit_is_that_of_torchs_convolution() -> None:
    ours, torchs = twins()
    maps = maps_of((7, 7))
    for got, expected in zip(learn(ours, maps, bfloat16=False), learn(torchs, maps, bfloat16=False), strict=True):
        assert torch.equal(got, expected)


def test_kernels_that_are_not_learnt_get_nothing_and_maps_get_theirs() -> None:
    ours, torchs = twins()
    ours.requires_grad_(False)
    maps = maps_of((7, 7)).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours(maps).float().sum().backward()
    assert maps.grad is not None
    assert ours.weight.grad is None
    own = maps_of((7, 7)).requires_grad_()
    torchs(own).sum().backward()
    assert own.grad is not None
    assert (maps.grad - own.grad).norm() < 0.01 * own.grad.norm()
