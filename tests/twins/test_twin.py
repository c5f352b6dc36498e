"""Both networks by hand against autograd: one batch, two hundred steps, at work, and planted faults."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bluebird.errors import UsageError
from bluebird.nets import CNN, MLP, Backbone, Network
from bluebird.scratch import activations, chain, layers, places
from bluebird.scratch.checks import checked
from bluebird.scratch.descent import SGD
from bluebird.scratch.layers import spread
from bluebird.twins import twin
from bluebird.twins.audit import kept_masks
from tests.scratch.oracle import draw

NETWORKS: dict[str, Callable[[], Network]] = {
    **{
        f"mlp {name}": lambda name=name: MLP(4, 8, widths=[24, 16], activation=name, dropout=0.3)
        for name in ("relu", "gelu", "silu", "tanh", "sigmoid")
    },
    "cnn": lambda: CNN(4, 8, stem=4, widths=[6, 8], blocks=[1, 1], dropout=0.3),
}
TARGETS = torch.arange(10) % 4


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    torch.manual_seed(3)
    return NETWORKS[request.param]().double().train()


def _learn_twice(network: Network, by_hand: chain.Chain, images: Tensor) -> tuple[float, float, dict[str, Tensor]]:
    """Loss by autograd, whose gradients stay in the network, loss by hand and gradients by hand."""
    network.zero_grad()
    with kept_masks(network) as masks:
        loss = F.cross_entropy(network.logits(images), TARGETS, label_smoothing=0.1)
    loss.backward()
    chain.set_masks(by_hand, masks)
    _, loss_by_hand, grads = chain.learn(by_hand, images, spread(TARGETS, 4, smoothing=0.1))
    return float(loss.detach()), float(loss_by_hand), grads


def _worst(network: Network, grads: dict[str, Tensor]) -> float:
    expected = {name: p.grad for name, p in network.named_parameters()}
    assert set(grads) == set(expected)
    return max(float((grads[name] - g).abs().max() / g.abs().max()) for name, g in expected.items() if g is not None)


def test_loss_and_every_gradient_of_a_batch_are_those_of_autograd(network: Network) -> None:
    loss, by_hand, grads = _learn_twice(network, twin(copy.deepcopy(network)), draw(0, 10, 3, 8, 8))
    assert by_hand == pytest.approx(loss, rel=1e-12)
    assert _worst(network, grads) < 1e-9


@pytest.mark.parametrize("name", ["mlp relu", "cnn"])
def test_two_hundred_steps_end_in_the_same_weights(name: str) -> None:
    torch.manual_seed(5)
    network = NETWORKS[name]().double().train()
    by_hand = twin(copy.deepcopy(network))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    parameters = [
        (f"{at}.{key}", value) for at, link in by_hand.named_links() for key, value in link.parameters.items()
    ]
    descent = SGD(lr=0.02, momentum=0.9)
    for step in range(200):
        _, _, grads = _learn_twice(network, by_hand, draw(step % 7, 10, 3, 8, 8))
        optimizer.step()
        descent.step([value for _, value in parameters], [grads[key] for key, _ in parameters])
    trained = dict(network.named_parameters())
    for key, value in parameters:
        torch.testing.assert_close(value, trained[key].detach(), rtol=0, atol=1e-8)


FAULTS = {  # of a whole network; those of each layer stand beside its own tests
    "mlp relu": [
        (layers, "linear_grad_parameters", lambda f: lambda g, x: (f(g, x)[0], g.mean(0))),
        (layers, "linear_grad_x", lambda f: lambda g, w: f(g, w.flip(0))),
        (layers, "dropout_backward", lambda f: lambda g, m, p: g * m),
        (layers, "dropout_backward", lambda f: lambda g, m, p: g / (1 - p)),
        (layers, "cross_entropy_backward", lambda f: lambda p, q: f(p, q) * len(p)),
        (activations, "relu_backward", lambda f: lambda g, o: g),
    ],
    "cnn": [
        (layers, "cross_entropy_backward", lambda f: lambda p, q: -f(p, q)),
        (places, "conv_grad_x", lambda f: lambda g, x, w, **o: f(g, x, w.flip(2, 3), **o)),
        (places, "max_pool_backward", lambda f: lambda g, x, s, which: f(g, x, s, which * 0)),
        (places, "batch_norm_grad_x", lambda f: lambda g, n, s, c, own_statistics: f(g, n, s, c, own_statistics=False)),
    ],
}


@pytest.mark.parametrize(("name", "number"), [(name, n) for name, faults in FAULTS.items() for n in range(len(faults))])
def test_a_planted_fault_is_caught(name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    network = NETWORKS[name]().double().train()
    module, function, plant = FAULTS[name][number]
    monkeypatch.setattr(module, function, checked()(plant(getattr(module, function).unchecked)))
    _, _, grads = _learn_twice(network, twin(copy.deepcopy(network)), draw(0, 10, 3, 8, 8))
    assert _worst(network, grads) > 1e-3


def test_a_twin_shares_weights_and_statistics_with_its_network() -> None:
    network = NETWORKS["cnn"]().double().train()
    kept = copy.deepcopy(network)
    chain.learn(twin(network), draw(0, 10, 3, 8, 8), spread(TARGETS, 4))
    kept(draw(0, 10, 3, 8, 8))
    for (name, by_hand), by_torch in zip(network.named_buffers(), kept.buffers(), strict=True):
        if "num_batches" not in name:
            torch.testing.assert_close(by_hand, by_torch, rtol=1e-12, atol=1e-12)
    by_name = {
        f"{at}.{key}": value for at, link in twin(network).named_links() for key, value in link.parameters.items()
    }
    assert {name: p.data_ptr() for name, p in network.named_parameters()} == {
        name: value.data_ptr() for name, value in by_name.items()
    }


def test_at_work_the_twin_gives_what_the_network_gives(network: Network) -> None:
    for seed in range(3):
        network(draw(seed, 10, 3, 8, 8))  # so that there are statistics to keep
    network.eval()
    torch.testing.assert_close(
        layers.softmax(twin(network).forward(draw(9, 5, 3, 8, 8))), network(draw(9, 5, 3, 8, 8)), rtol=1e-12, atol=1e-12
    )


def test_a_drawn_mask_is_kept_for_the_way_back() -> None:
    torch.manual_seed(3)
    network = MLP(4, 8, widths=[24], dropout=0.5).double().train()
    by_hand = twin(network)
    _, _, grads = chain.learn(by_hand, draw(0, 10, 3, 8, 8), spread(TARGETS, 4))
    drop = by_hand.links["layers"].links["3"]  # type: ignore[attr-defined]
    assert 0 < float(drop.mask.double().mean()) < 1
    resting = ~drop.mask.any(0)
    assert (grads["layers.1.weight"][resting] == 0).all()


def test_a_network_without_a_twin_is_refused() -> None:
    with pytest.raises(UsageError, match="Backbone has no twin by hand; expected MLP or CNN"):
        twin(Backbone(3, 32))
