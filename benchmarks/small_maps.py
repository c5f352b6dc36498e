"""What one product of matrices saves where kernels learn from small maps: a training step with it and without.

    python benchmarks/small_maps.py

The network and the batch of configs/cifar10_cnn.yaml take the same steps (forward, backward, plain SGD) in bfloat16 on
the CPU, once as they are and once with torch's own convolutions, in turns. A ratio is the median over rounds.
Only AMX has something to win: `ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16` before the command, which leaves it out, gave 0.98.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import yaml
from torch import nn
from torch.nn import functional

from bluebird.cli.memory import keep_freed_memory
from bluebird.nets import WhitenedCNN
from bluebird.nets.convolution import Convolution3x3

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "cifar10_cnn.yaml"


def with_torchs_convolutions(network: WhitenedCNN) -> WhitenedCNN:
    for units in network.stages:
        for name, module in list(units.named_children()):
            if isinstance(module, Convolution3x3):
                own = nn.Conv2d(module.in_channels, module.out_channels, 3, padding=1, bias=False)
                own.weight = module.weight
                setattr(units, name, own)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def seconds(network: WhitenedCNN, images: torch.Tensor, targets: torch.Tensor) -> float:
    descent = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1e-3)
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = functional.cross_entropy(network.logits(images), targets)
    loss.backward()
    descent.step()
    descent.zero_grad()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    keep_freed_memory()
    torch.manual_seed(0)
    config = yaml.safe_load(CONFIG.read_text())
    arguments, side = config["model"]["network"]["init_args"], config["data"]["image_size"]
    networks = [WhitenedCNN(10, side, **arguments), with_torchs_convolutions(WhitenedCNN(10, side, **arguments))]
    count = config["data"]["batch_size"]
    images = torch.randn(count, 3, side, side).to(memory_format=torch.channels_last)
    targets = torch.randint(0, 10, (count,))
    times = [[seconds(network.train(), images, targets) for network in networks] for _ in range(rounds + 2)][2:]
    ratio = statistics.median(torchs / ours for ours, torchs in times)
    ours, torchs = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"a step of {count} pictures: {ours:.2f} s, with torch's convolutions {torchs:.2f} s: {ratio:.2f} times as fast"
    )


if __name__ == "__main__":
    main()
