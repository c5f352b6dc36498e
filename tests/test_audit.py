"""Both networks by hand against autograd: one batch, two hundred steps, a real training, and planted faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bluebird.audit import GradientAudit, kept_masks, twin
from bluebird.cli import main
from bluebird.errors import UsageError
from bluebird.nets import CNN, MLP, Network
from bluebird.scratch import chain, layers, places
from bluebird.scratch.descent import SGD
from bluebird.scratch.layers import spread
from tests.conftest import MakeFolder, small_run
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
    loss_by_hand, grads = chain.learn(by_hand, images, spread(TARGETS, 4, smoothing=0.1))
    return float(loss.detach()), float(loss_by_hand), grads


def _worst(network: Network, grads: dict[str, Tensor]) -> float:
    expected = {name: p.grad for name, p in network.named_parameters()}
    assert set(grads) == set(expected)
    return max(float((grads[name] - g).abs().max() / g.abs().max()) for name, g in expected.items() if g is not None)


def test_loss_and_every_gradient_of_a_batch_are_those_of_autograd(network: Network) -> None:
    loss, by_hand, grads = _learn_twice(network, twin(network), draw(0, 10, 3, 8, 8))
    assert by_hand == pytest.approx(loss, rel=1e-12)
    assert _worst(network, grads) < 1e-9


@pytest.mark.parametrize("name", ["mlp relu", "cnn"])
def test_two_hundred_steps_end_in_the_same_weights(name: str) -> None:
    torch.manual_seed(5)
    network = NETWORKS[name]().double().train()
    by_hand = twin(network)
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


FAULTS = {
    "linear: the weight turned": (layers, "linear_backward", lambda f: lambda g, x, w: (
        f(g, x, w.flip(0))[0], *f(g, x, w)[1:])),
    "linear: a bias averaged": (layers, "linear_backward", lambda f: lambda g, x, w: (*f(g, x, w)[:2], g.mean(0))),
    "cross-entropy: a wrong sign": (layers, "cross_entropy_backward", lambda f: lambda p, q: -f(p, q)),
    "cross-entropy: no mean": (layers, "cross_entropy_backward", lambda f: lambda p, q: f(p, q) * len(p)),
    "dropout: no rescaling": (layers, "dropout_backward", lambda f: lambda g, m, p: g * m),
    "dropout: no mask": (layers, "dropout_backward", lambda f: lambda g, m, p: g / (1 - p)),
    "convolution: weights turned": (places, "conv_backward", lambda f: lambda g, x, w, **o: f(g, x, w.flip(2, 3), **o)),
    "pooling: blame for all": (places, "max_pool_backward", lambda f: lambda g, n, x, s: f(g, n * 0, x, s)),
    "batch norm: the mean forgotten": (places, "batch_norm_backward", lambda f: lambda g, n, s, c: (
        g * (c * s)[None, :, None, None], *f(g, n, s, c)[1:])),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    name = "mlp relu" if "linear" in fault or "dropout" in fault else "cnn"
    network = NETWORKS[name]().double().train()
    module, function, plant = FAULTS[fault]
    monkeypatch.setattr(module, function, plant(getattr(module, function)))
    _, _, grads = _learn_twice(network, twin(network), draw(0, 10, 3, 8, 8))
    assert _worst(network, grads) > 1e-3


@pytest.mark.parametrize("options", [[], ["--model.network", "bluebird.nets.MLP", "--model.balance", "true"]])
def test_a_real_training_is_audited_while_it_runs(options: list[str], make_folder: MakeFolder, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    arguments = small_run(make_folder(), tmp_path / "runs")
    if options:
        at = arguments.index("--model.network")
        arguments = arguments[:at] + arguments[arguments.index("--model.optimizer") :]
    extra = ["--model.label_smoothing", "0.1", "--audit.every_n_steps", "2", "--trainer.log_every_n_steps", "1"]
    assert main(["train", *arguments, *options, *extra]) == 0
    events = EventAccumulator(str(tmp_path / "runs" / "small" / "version_0")).Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("audit/")]
    assert len(tags) == (6 if options else 17)
    differences = [point.value for tag in tags for point in events.Scalars(tag)]
    assert 0 < max(differences) < 1e-3


def test_the_audit_is_off_by_default_and_refuses_no_steps() -> None:
    assert GradientAudit().every_n_steps is None
    with pytest.raises(UsageError, match=r"audit\.every_n_steps is 0"):
        GradientAudit(0)
