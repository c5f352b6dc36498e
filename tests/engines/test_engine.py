from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bluebird.bundle import Bundle, Preprocessing, load_model
from bluebird.engines.engine import Answers, Engine
from bluebird.engines.native import Torch
from bluebird.nets import CNN, MLP, Backbone, Network

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


def _bundle(network: Network) -> Bundle:
    classes = tuple(f"class {number}" for number in range(network.num_classes))
    return Bundle(network, classes, Preprocessing(network.image_size, MEAN, STD))


def _engine(network: Network, known: list[float] | None = None) -> Engine:
    return Engine(Torch(_bundle(network)), known or [])


def _pictures(count: int, side: int = 16) -> Tensor:
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def _backbone(name: str, side: int = 32, **options: Any) -> Backbone:
    torch.manual_seed(0)
    return Backbone(4, side, name, **options).eval()


NETWORKS: dict[str, Callable[[], Network]] = {
    "cnn": _cnn,
    "odd cnn": lambda: _cnn(7, stem=5, widths=[9, 17], blocks=[0, 1]),
    "one block": lambda: _cnn(2, widths=[8], blocks=[3]),
    "mlp": _mlp,
    "resnet": lambda: _backbone("resnet18"),
    "mobilenet": lambda: _backbone("mobilenet_v3_small"),
    "mirrored": lambda: _backbone("resnet18", mirror=True),
    "covariance": lambda: _backbone("mobilenet_v2", 64, pooling="covariance"),
    "covariance of all looks": lambda: _backbone(
        "mobilenet_v3_small", 64, pooling="covariance", mirror=True, scales=[0.5, 1.0]
    ),
}


@pytest.fixture(params=NETWORKS, scope="module")
def network(request: pytest.FixtureRequest) -> Network:
    return NETWORKS[request.param]()


def test_the_network_of_the_bundle_is_left_as_it_was(network: Network) -> None:
    network = copy.deepcopy(network).train()
    before, fingerprint = copy.deepcopy(network.state_dict()), _bundle(network).fingerprint
    _engine(network).ask(_pictures(3, network.image_size))
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert _bundle(network).fingerprint == fingerprint


@torch.inference_mode()
def test_answers_are_those_of_the_network_in_float64(network: Network) -> None:
    pixels = _pictures(10, network.image_size)
    images = pixels.double() / 255
    images = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    precise = copy.deepcopy(network).double()
    answers = _engine(network).ask(pixels)
    assert answers.probs.dtype == answers.novelty.dtype == answers.features.dtype == torch.float32
    torch.testing.assert_close(answers.probs.double(), precise(images), rtol=0, atol=1e-5)
    torch.testing.assert_close(answers.features.double(), precise.features(images), rtol=1e-3, atol=1e-4)


@pytest.fixture(params=["one thread", "all threads"])
def asked(request: pytest.FixtureRequest) -> Iterator[Callable[[Engine, Tensor], Answers]]:
    """Asks an engine, as a search does in threads of one core each, or as a script does."""
    if request.param == "all threads":
        yield lambda engine, pixels: engine.ask(pixels)
        return
    with ThreadPoolExecutor(1, initializer=lambda: torch.set_num_threads(1)) as thread:
        yield lambda engine, pixels: thread.submit(engine.ask, pixels).result()


def test_neither_place_nor_company_nor_batch_size_changes_the_last_bit_of_an_answer(
    network: Network, asked: Callable[[Engine, Tensor], Answers]
) -> None:
    engine = _engine(network, [number / 20 for number in range(101)])
    pixels = _pictures(70, network.image_size)
    alone = [asked(engine, pixels[number : number + 1]) for number in range(len(pixels))]
    draw = torch.Generator().manual_seed(3)
    for count in (2, 7, 8, 16, 33, 64):
        chosen = torch.randperm(len(pixels), generator=draw)[:count]
        for answers in (
            asked(engine, pixels[chosen]),
            asked(engine, pixels[chosen].contiguous(memory_format=torch.channels_last)),
        ):
            assert torch.equal(answers.probs, torch.cat([alone[number].probs for number in chosen]))
            assert torch.equal(answers.novelty, torch.cat([alone[number].novelty for number in chosen]))
            assert torch.equal(answers.features, torch.cat([alone[number].features for number in chosen]))


def test_the_number_of_threads_changes_no_bit_either(network: Network) -> None:
    engine, pixels = _engine(network), _pictures(64, network.image_size)
    here = engine.ask(pixels)
    with ThreadPoolExecutor(engine.streams, initializer=engine.enter_thread) as threads:
        for there in threads.map(engine.ask, [pixels, pixels]):
            assert torch.equal(there.probs, here.probs)
            assert torch.equal(there.features, here.features)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("MPS backend out of memory")], ids=str
)
def test_what_does_not_fit_into_the_memory_of_a_device_is_asked_for_in_halves(error: RuntimeError) -> None:
    runtime = Torch(_bundle(_mlp()))
    seen = []

    class Small:
        streams, enter_thread = runtime.streams, runtime.enter_thread

        def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            seen.append(len(pixels))
            if len(pixels) > 16:
                raise error
            return runtime(pixels)

    expected = Engine(runtime, []).ask(_pictures(50))
    answers = Engine(Small(), []).ask(_pictures(50))
    assert torch.equal(answers.probs, expected.probs)
    assert torch.equal(answers.features, expected.features)
    assert max(seen) == 56


def test_a_bundle_that_knows_no_familiarity_calls_nothing_novel(network: Network) -> None:
    assert _engine(network).ask(_pictures(3, network.image_size)).novelty.tolist() == [0, 0, 0]


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
    novelty = _engine(_brightness(), known).ask(pixels).novelty  # the brighter, the more familiar
    assert all(later <= earlier for earlier, later in pairwise(novelty.tolist()))
    assert float(novelty.min()) >= 0
    assert float(novelty[0]) == pytest.approx(100 / 101)  # log(1 + exp(-81)) is above 0 and below 1
    assert float(novelty[-1]) == pytest.approx(16 / 101)  # 40 x (3 + 2 + 4/3) / 3 = 84.4, and 85 to 100 are above


def test_what_it_was_not_trained_on_is_novel_and_what_it_was_trained_on_is_not(trained: Path) -> None:
    model = load_model(trained)
    engine = Engine(Torch(model), model.familiarity)
    draw = torch.Generator().manual_seed(4)
    colours = torch.tensor([[40, 80, 200], [200, 40, 40], [40, 160, 60]])[torch.arange(60) % 3]
    known = colours[:, :, None, None] + 25 * torch.randn(60, 3, 16, 16, generator=draw)
    plain = torch.tensor([0, 128, 255]).view(3, 1, 1, 1).expand(3, 3, 16, 16)
    strange = torch.cat([_pictures(40), plain.to(torch.uint8)])
    novelty = engine.ask(strange).novelty
    assert float(novelty.mean()) > 0.9
    assert float(engine.ask(known.clamp(0, 255).to(torch.uint8)).novelty.median()) < 0.8
