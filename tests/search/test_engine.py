from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bluebird.bundle import Bundle, Preprocessing, load_model
from bluebird.nets import CNN, MLP, Network
from bluebird.search.engine import Engine, fused

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


def _cnn(classes: int = 3, **more: object) -> CNN:
    """With batch statistics as a training leaves them."""
    torch.manual_seed(0)
    network = CNN(classes, 16, **({"stem": 4, "widths": [8, 12], "blocks": [1, 1]} | more))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in ((module.running_mean, -2, 2), (module.running_var, 0.1, 3),
                                      (module.weight.data, -1, 2), (module.bias.data, -1, 1)):  # fmt: skip
                assert tensor is not None
                tensor.uniform_(low, high)
    return network.eval()


def _mlp() -> MLP:
    torch.manual_seed(0)
    return MLP(3, 16, widths=[33, 17]).eval()


def _bundle(network: Network, familiarity: list[float] | None = None) -> Bundle:
    classes = tuple(f"class {number}" for number in range(network.num_classes))
    return Bundle(network, classes, Preprocessing(16, MEAN, STD), familiarity=familiarity or [])


def _pictures(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, 16, 16), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


NETWORKS = {
    "cnn": _cnn(),
    "odd cnn": _cnn(7, stem=5, widths=[9, 17], blocks=[0, 1]),
    "one block": _cnn(2, widths=[8], blocks=[3]),
    "mlp": _mlp(),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    return NETWORKS[request.param]


@torch.inference_mode()
def test_a_fused_network_says_the_same_and_has_no_batch_norm(network: Network) -> None:
    images = torch.randn(20, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    quick = fused(network)
    torch.testing.assert_close(quick.logits(images), network.logits(images), rtol=1e-5, atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())


def test_a_network_without_batch_norm_is_passed_through() -> None:
    network = _mlp()
    for name, tensor in fused(network).state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name])


def test_the_network_of_the_bundle_is_left_as_it_was(network: Network) -> None:
    network = copy.deepcopy(network).train()
    before, fingerprint = copy.deepcopy(network.state_dict()), _bundle(network).fingerprint
    Engine(_bundle(network), 4).ask(_pictures(3))
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert _bundle(network).fingerprint == fingerprint


@torch.inference_mode()
def test_answers_are_those_of_the_network_in_float64(network: Network) -> None:
    pixels = _pictures(10)
    images = pixels.double() / 255
    images = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    expected = copy.deepcopy(network).double()(images)
    got = Engine(_bundle(network), 16).ask(pixels).probs
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch_size", [2, 5, 7, 16, 64])
def test_neither_place_nor_company_changes_the_last_bit_of_an_answer(network: Network, batch_size: int) -> None:
    engine = Engine(_bundle(network, [number / 20 for number in range(101)]), batch_size)
    pixels = _pictures(90)
    alone = [engine.ask(pixels[number : number + 1]) for number in range(len(pixels))]
    draw = torch.Generator().manual_seed(3)
    for _ in range(12):
        count = int(torch.randint(1, batch_size + 1, (1,), generator=draw))
        chosen = torch.randperm(len(pixels), generator=draw)[:count]
        for answers in (
            engine.ask(pixels[chosen]),
            engine.ask(pixels[chosen].contiguous(memory_format=torch.channels_last)),
        ):
            assert torch.equal(answers.probs, torch.cat([alone[number].probs for number in chosen]))
            assert torch.equal(answers.novelty, torch.cat([alone[number].novelty for number in chosen]))


def test_another_batch_size_changes_an_answer_by_less_than_a_millionth(network: Network) -> None:
    pixels = _pictures(60)
    expected = Engine(_bundle(network), 64).ask(pixels).probs
    for batch_size in (1, 7, 20):
        engine = Engine(_bundle(network), batch_size)
        got = torch.cat([engine.ask(part).probs for part in pixels.split(batch_size)])
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


def test_a_bundle_that_knows_no_familiarity_calls_nothing_novel(network: Network) -> None:
    assert Engine(_bundle(network), 4).ask(_pictures(3)).novelty.tolist() == [0, 0, 0]


def _brightness() -> MLP:
    """A network whose first logit is 40 times the mean of the normalised picture, and whose second is 0."""
    network = MLP(2, 16, widths=[], dropout=0.0)
    state = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
    (weight,) = (tensor for tensor in state.values() if tensor.ndim == 2)
    weight[0] = 40 / weight.shape[1]
    network.load_state_dict(state)
    return network.eval()


def test_novelty_falls_as_familiarity_rises() -> None:
    known = [float(number) for number in range(101)]
    pixels = torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(256, 3, 16, 16).contiguous()
    novelty = Engine(_bundle(_brightness(), known), 256).ask(pixels).novelty  # the brighter, the more familiar
    assert all(later <= earlier for earlier, later in pairwise(novelty.tolist()))
    assert float(novelty.min()) >= 0
    assert float(novelty[0]) == pytest.approx(100 / 101)  # log(1 + exp(-81)) is above 0 and below 1
    assert float(novelty[-1]) == pytest.approx(16 / 101)  # 40 x (3 + 2 + 4/3) / 3 = 84.4, and 85 to 100 are above


def test_what_it_was_not_trained_on_is_novel_and_what_it_was_trained_on_is_not(trained: Path) -> None:
    engine = Engine(load_model(trained), 64)
    draw = torch.Generator().manual_seed(4)
    colours = torch.tensor([[40, 80, 200], [200, 40, 40], [40, 160, 60]])[torch.arange(60) % 3]
    known = colours[:, :, None, None] + 25 * torch.randn(60, 3, 16, 16, generator=draw)
    plain = torch.tensor([0, 128, 255]).view(3, 1, 1, 1).expand(3, 3, 16, 16)
    strange = torch.cat([_pictures(40), plain.to(torch.uint8)])
    novelty = engine.ask(strange).novelty
    assert float(novelty.mean()) > 0.9
    assert float(engine.ask(known.clamp(0, 255).to(torch.uint8)).novelty.median()) < 0.8
