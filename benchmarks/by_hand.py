"""What gradients written out by hand cost: time per training step against autograd, and peak memory.

    python benchmarks/by_hand.py

Each network takes the same steps (forward, backward, plain SGD) from the same weights over the same
batches, float32, on the CPU: by hand (bluebird/scratch), by autograd with torch's fused SGD, and by
autograd through `torch.compile`; `products` is the MLP's matrix products alone. They take turns; a ratio
is the median over rounds of autograd's time by that side's. Processes differ too: run it more than once.
Memory is measured apart, each side in a process of its own: what the steps take beside the network and
the pictures (Linux).
"""

from __future__ import annotations

import argparse
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor, nn
from torch.nn import functional

from bluebird.cli.memory import keep_freed_memory
from bluebird.nets import CNN, MLP, Network
from bluebird.scratch import chain, seven
from bluebird.scratch.descent import SGD
from bluebird.scratch.layers import spread
from bluebird.twins import twin

LR = 0.01
Steps = Callable[[int], None]
CASES: dict[str, tuple[Callable[[], Network], int]] = {
    "mlp, batch 256": (lambda: MLP(10, 32, dropout=0.0), 256),
    "mlp, batch 256, dropout": (lambda: MLP(10, 32), 256),
    "mlp, batch 16": (lambda: MLP(10, 32, dropout=0.0), 16),
    "cnn, batch 64": (lambda: CNN(10, 32), 64),
}
SIDES = ("autograd", "by hand", "compiled")


def batches(size: int, count: int = 8) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(size, 3, 32, 32, generator=generator), torch.randint(0, 10, (size,), generator=generator))
        for _ in range(count)
    ]


def by_autograd(network: Network, data: list[tuple[Tensor, Tensor]], *, compiled: bool) -> Steps:
    logits = torch.compile(network.logits) if compiled else network.logits
    optimizer = torch.optim.SGD(network.parameters(), lr=LR, fused=True)

    def steps(count: int) -> None:
        for number in range(count):
            images, targets = data[number % len(data)]
            loss = functional.cross_entropy(logits(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return steps


def by_hand(network: Network, data: list[tuple[Tensor, Tensor]]) -> Steps:
    network.requires_grad_(False)
    links = twin(network)
    parameters = dict(network.named_parameters())
    descent = SGD(LR)

    @torch.inference_mode()
    def steps(count: int) -> None:
        for number in range(count):
            images, targets = data[number % len(data)]
            _, _, grads = chain.learn(links, images, spread(targets, 10, dtype=images.dtype))
            descent.step(list(parameters.values()), [grads[name] for name in parameters])

    return steps


def products_alone(network: Network, data: list[tuple[Tensor, Tensor]]) -> Steps:
    """Nothing but the matrix products of an MLP's step, which is as quick as it can get."""
    weights = [m.weight.detach() for m in network.modules() if isinstance(m, nn.Linear)]

    @torch.inference_mode()
    def steps(count: int) -> None:
        for number in range(count):
            outs = [data[number % len(data)][0].flatten(1)]
            for weight in weights:
                outs.append((weight @ outs[-1].T).T)
            grad = outs.pop()
            for weight in reversed(weights):
                _ = grad.T @ outs.pop()
                if outs:
                    grad = (weight.T @ grad.T).T

    return steps


def side(name: str, case: str) -> Steps:
    make, size = CASES[case]
    torch.manual_seed(0)
    network = make().train()
    data = batches(size)
    if name == "by hand":
        return by_hand(network, data)
    if name == "products":
        return products_alone(network, data)
    return by_autograd(network, data, compiled=name == "compiled")


def of_seven() -> dict[str, Steps]:
    """The seven parameters on 80 points: by hand, the same equations by autograd, and torch's modules."""
    x = torch.linspace(-4, 4, 80)
    y = torch.sin(x)
    start = torch.randn(7, generator=torch.Generator().manual_seed(0))
    theta, leaf = start.clone(), start.clone().requires_grad_()
    descent = SGD(LR)
    optimizer = torch.optim.SGD([leaf], lr=LR, fused=True)
    modules = nn.Sequential(nn.Linear(1, 2), nn.Sigmoid(), nn.Linear(2, 1))
    of_modules = torch.optim.SGD(modules.parameters(), lr=LR, fused=True)

    @torch.inference_mode()
    def hand(count: int) -> None:
        for _ in range(count):
            descent.step([theta], [seven.learn.unchecked(theta, x, y)[1]])

    def autograd(count: int) -> None:
        for _ in range(count):
            t0, t1, t2, t3, t4, t5, t6 = leaf.unbind()
            output = t4 + t5 * torch.sigmoid(t0 + t2 * x) + t6 * torch.sigmoid(t1 + t3 * x)
            error = (y - output).square().mean() / 2
            optimizer.zero_grad()
            error.backward()
            optimizer.step()

    def sequential(count: int) -> None:
        for _ in range(count):
            error = functional.mse_loss(modules(x[:, None]), y[:, None]) / 2
            of_modules.zero_grad()
            error.backward()
            of_modules.step()

    return {"autograd": autograd, "by hand": hand, "torch.nn": sequential}


def compare(title: str, sides: dict[str, Steps], seconds: float, rounds: int) -> None:
    """Print each side's median time per step and its ratio to autograd's."""
    for steps in sides.values():
        steps(5)
    began = time.perf_counter()
    sides["autograd"](10)
    count = max(5, int(seconds / (time.perf_counter() - began) * 10))
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            began = time.perf_counter()
            sides[name](count)
            times[name].append((time.perf_counter() - began) / count)
    for name, values in times.items():
        ratio = statistics.median(a / v for a, v in zip(times["autograd"], values, strict=True))
        print(f"{title:<26}{name:<10}{statistics.median(values) * 1e3:>10.3f} ms a step{ratio:>8.2f}x", flush=True)


def peak_megabytes(name: str, case: str) -> float:
    """What 20 steps take beside the network and the pictures, which are there before."""
    command = [sys.executable, __file__, "--peak", name, case]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(name: str, case: str) -> None:
    steps = side(name, case)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _resident("VmRSS")
    steps(20)
    print(_resident("VmHWM") - before)


def _resident(field: str) -> float:
    """A line of Linux's /proc/self/status, in MB."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.4, help="about how long a side works in a round")
    parser.add_argument("--peak", nargs=2, metavar=("SIDE", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.getLogger("torch").setLevel(logging.ERROR)
    keep_freed_memory()  # all sides alike
    if options.peak:
        print_peak(*options.peak)
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.rounds} rounds")
    for case in CASES:
        sides = (*SIDES, "products") if case.startswith("mlp") else SIDES
        compare(case, {name: side(name, case) for name in sides}, options.seconds, options.rounds)
        peaks = ", ".join(f"{name} {peak_megabytes(name, case):.0f} MB" for name in SIDES[:2])
        print(f"{case:<26}peak memory of the steps: {peaks}")
    compare("seven parameters", of_seven(), options.seconds, options.rounds)


if __name__ == "__main__":
    main()
