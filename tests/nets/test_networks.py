from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bluebird.errors import UsageError
from bluebird.nets import CNN, MLP, Backbone, Network, WhitenedCNN
from bluebird.nets.summary import layer_costs, layer_table

NETWORKS = [
    MLP(5, 16, widths=[32, 24]),
    CNN(5, 16, stem=4, widths=[8, 16], blocks=[0, 1]),
    WhitenedCNN(5, 16, widths=[8, 16], dropout=0.2, mirror=True),
]


def _images(n: int = 6, side: int = 16) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "cnn", "whitened"])
def test_a_network_ends_in_softmax(network: Network) -> None:
    network.eval()
    logits = network.logits(_images()).detach().double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(network(_images()).detach().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "cnn", "whitened"])
def test_its_arguments_build_it_again(network: Network) -> None:
    twin = type(network)(**network.arguments)
    twin.load_state_dict(network.state_dict())
    assert torch.equal(twin.eval()(_images()), network.eval()(_images()))


@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "cnn", "whitened"])
def test_dropout_rests_units_in_training_and_never_afterwards(network: Network) -> None:
    network.train()
    assert not torch.equal(network.logits(_images()), network.logits(_images()))
    network.eval()
    assert torch.equal(network.logits(_images()), network.logits(_images()))


@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "cnn", "whitened"])
def test_every_parameter_gets_a_gradient(network: Network) -> None:
    network.eval()
    nn.functional.cross_entropy(network.logits(_images()), torch.arange(6) % 5).backward()
    learnt = [p for p in network.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in learnt)
    network.zero_grad()


def test_the_perceptron_is_the_chain_of_linear_functions_it_says() -> None:
    network = MLP(3, 4, widths=[7], activation="tanh").eval()
    first, last = (layer for layer in network.layers if isinstance(layer, nn.Linear))
    x = _images(2, 4).double().numpy().reshape(2, -1)
    w1, b1, w2, b2 = (p.detach().double().numpy() for p in (first.weight, first.bias, last.weight, last.bias))
    expected = np.tanh(x @ w1.T + b1) @ w2.T + b2
    np.testing.assert_allclose(network.logits(_images(2, 4)).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh", "sigmoid"])
def test_no_weight_starts_at_zero_and_no_two_units_start_equal(activation: str) -> None:
    torch.manual_seed(0)
    for layer in MLP(4, 8, widths=[32, 32], activation=activation).layers:
        if isinstance(layer, nn.Linear):
            assert (layer.weight != 0).all()
            assert len(layer.weight.unique(dim=0)) == len(layer.weight)


def test_the_initial_draw_keeps_the_spread_of_the_signal() -> None:
    torch.manual_seed(0)
    network = MLP(10, 16, widths=[1024] * 6, dropout=0.0)
    signal = network.layers[:-1](_images(256))
    assert 0.5 < signal.square().mean() < 2  # He's draw: E[o^2] stays that of the input, which is 1


def test_the_cnn_averages_over_all_places() -> None:
    network = CNN(3, 16, stem=4, widths=[8], blocks=[1]).eval()
    maps = network.stages(network.stem(_images()))
    assert maps.shape == (6, 8, 8, 8)
    expected = maps.detach().numpy().reshape(6, 8, -1).mean(-1)
    np.testing.assert_allclose(network.features(_images()).detach().numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "arguments", "reason"),
    [
        (MLP, {"num_classes": 1}, "num_classes is 1"),
        (MLP, {"image_size": 0}, "image_size is 0"),
        (MLP, {"widths": [8, 0]}, "widths is"),
        (MLP, {"activation": "rleu"}, "activation is 'rleu'; expected one of relu"),
        (MLP, {"dropout": 1.0}, "dropout is 1.0"),
        (CNN, {"widths": [8, 16], "blocks": [1]}, "expected 2 whole numbers"),
        (CNN, {"image_size": 8}, "need at least 16 px"),
    ],
)
def test_arguments_out_of_range_are_refused(network: type[Network], arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        network(**{"num_classes": 3, "image_size": 32} | arguments)  # type: ignore[arg-type]


def test_costs_are_those_worked_by_hand() -> None:
    costs = {cost.kind: cost for cost in layer_costs(CNN(5, 16, stem=4, widths=[8], blocks=[0]))}
    linear, conv = costs["Linear"], layer_costs(CNN(5, 16, stem=4, widths=[8], blocks=[0]))[0]
    assert (conv.name, conv.shape) == ("stem.0", (4, 16, 16))
    assert (conv.parameters, conv.multiply_adds) == (3 * 4 * 9, 3 * 4 * 9 * 16 * 16)
    assert (linear.parameters, linear.multiply_adds) == (8 * 5 + 5, 8 * 5)


def test_what_a_module_multiplies_beside_its_layers_is_its_own() -> None:
    pooled = {cost.name: cost for cost in layer_costs(Backbone(5, 64, "resnet18", pooling="covariance"))}
    matrix = 128 * 128
    assert pooled["pool.reduce"].multiply_adds == 512 * 128 * 4
    assert pooled["pool"].shape == (128 * 129 // 2,)
    assert pooled["pool"].parameters == 0  # those of its convolution stand there
    products = 1 + 3 * 3 + 2  # root and inverse; the first step multiplies once, the last twice
    assert pooled["pool"].multiply_adds == matrix * 4 + products * matrix * 128
    assert pooled["dropout"].multiply_adds == 0


def test_attention_is_counted() -> None:
    costs = {cost.name: cost for cost in layer_costs(Backbone(5, 64, "vit_b_32"))}
    attention = costs["body.encoder.layers.encoder_layer_0.self_attention"]
    assert attention.shape == (5, 768)  # four patches and the class token
    assert attention.parameters == 3 * (768 * 768 + 768)  # those of what comes out are its layer's
    assert attention.multiply_adds == 4 * 5 * 768 * 768 + 2 * 5 * 5 * 768


def test_the_table_sums_up_and_leaves_the_network_as_it_was() -> None:
    network = CNN(5, 16, stem=4, widths=[8], blocks=[1]).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    last_line = layer_table(network).splitlines()[-1]
    assert f"{sum(p.numel() for p in network.parameters()):,}" in last_line
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
