"""`bluebird seven`: fit a curve with the seven-parameter network and check its gradients three ways."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard.writer import SummaryWriter

from bluebird.errors import OutputError, TrainingError
from bluebird.scratch.descent import SGD, Descent, descend
from bluebird.scratch.seven import Activation, backward, collapse, error, learn

_MEANING = ("switches neuron 1", "switches neuron 2", "steepens neuron 1", "steepens neuron 2", "lifts the output",
            "weighs neuron 1", "weighs neuron 2")  # fmt: skip


def run(options: Namespace) -> int:
    """Check, fit, say why it stopped, draw."""
    activation: Activation = "linear" if options.linear else "sigmoid"
    x, y = curve(options.points)
    theta = start(options.seed, zero=options.zero_start)
    first = theta.clone()
    print(gradient_table(theta, x, y, activation))
    descent = fit(theta, x, y, activation, lr=options.lr, max_epochs=options.epochs, threshold=options.threshold)
    print(_verdict(descent, theta, x, y, activation, options.threshold))
    try:
        _log(options.runs_dir, descent)
        if options.plot is not None:
            _plot(options.plot, first, descent, x, y, activation)
    except OSError as problem:
        place = options.plot or options.runs_dir
        raise OutputError(f"{str(place)!r}: cannot be written ({problem.strerror})") from problem
    return 0


def curve(points: int) -> tuple[Tensor, Tensor]:
    """A hill with one flank higher than the other, which two sigmoids can follow; x and y float64 (N,)."""
    x = torch.linspace(-4, 4, points, dtype=torch.float64)
    return x, 1.2 * torch.exp(-((x - 0.3) ** 2) / 1.5) + 0.4 * torch.sigmoid(1.5 * x)


def start(seed: int, *, zero: bool) -> Tensor:
    """Seven drawn numbers, float64, or seven zeros."""
    if zero:
        return torch.zeros(7, dtype=torch.float64)
    return torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def three_gradients(theta: Tensor, x: Tensor, y: Tensor, activation: Activation) -> tuple[Tensor, Tensor, Tensor]:
    """The seven gradients by hand, by autograd and by central differences, each (7,)."""
    leaf = theta.clone().requires_grad_()
    (autograd,) = torch.autograd.grad(error(leaf, x, y, activation), leaf)
    step = 1e-6
    moved = [(theta + d, theta - d) for d in step * torch.eye(7, dtype=theta.dtype)]
    central = [(error(up, x, y, activation) - error(down, x, y, activation)) / (2 * step) for up, down in moved]
    return backward(theta, x, y, activation), autograd, torch.stack(central)


def gradient_table(theta: Tensor, x: Tensor, y: Tensor, activation: Activation) -> str:
    """`three_gradients` as aligned text, with the greatest difference below."""
    hand, autograd, central = three_gradients(theta, x, y, activation)
    lines = [f"{'':<8}{'what it does':<20}{'by hand':>14}{'autograd':>14}{'differences':>14}"]
    for n, meaning in enumerate(_MEANING):
        lines.append(f"theta{n:<3}{meaning:<20}{hand[n]:>14.9f}{autograd[n]:>14.9f}{central[n]:>14.9f}")
    lines.append(
        f"\ngreatest difference: by hand - autograd {(hand - autograd).abs().max():.1e}, "
        f"by hand - central differences {(hand - central).abs().max():.1e}"
    )
    return "\n".join(lines)


def fit(
    theta: Tensor,
    x: Tensor,
    y: Tensor,
    activation: Activation,
    *,
    lr: float = 0.03,
    max_epochs: int = 20_000,
    threshold: float = 1e-5,
) -> Descent:
    """Train `theta` (7,) in place on the points, all of them in one batch.

    Raises:
        TrainingError: the error became nan or infinite.
    """

    def step(_: None) -> tuple[float, list[Tensor]]:
        loss, gradients = learn.unchecked(theta, x, y, activation)
        return float(loss), [gradients]

    try:
        return descend(
            [theta], step, lambda _: [None], SGD(lr, momentum=0.9), max_epochs=max_epochs, threshold=threshold
        )
    except ValueError as problem:
        raise TrainingError(f"{problem} (--lr)") from problem


def _verdict(descent: Descent, theta: Tensor, x: Tensor, y: Tensor, activation: Activation, threshold: float) -> str:
    if descent.reason == "converged":
        why = f"no parameter moved by {threshold:g} any more (the last by {descent.movement:.1e})"
    else:
        why = f"the limit of epochs; the last still moved a parameter by {descent.movement:.1e}"
    lines = [
        f"\nstopped after epoch {descent.epochs}: {why}",
        f"error {descent.errors[0]:.6f} -> {float(error(theta, x, y, activation)):.6f}",
        f"theta {' '.join(f'{value:.4f}' for value in theta)}",
    ]
    if activation == "linear":
        intercept, slope = collapse(theta)
        lines.append(f"linear neurons: seven parameters are the straight line {intercept:.4f} + {slope:.4f} x")
    if torch.equal(theta[[0, 2, 5]], theta[[1, 3, 6]]):
        lines.append("both hidden neurons are still equal to the last bit: it is a network of one")
    return "\n".join(lines)


def _log(runs_dir: Path, descent: Descent) -> None:
    with SummaryWriter(str(runs_dir / "seven")) as writer:
        for epoch, ((theta,), loss) in enumerate(zip(descent.path, descent.errors, strict=True)):
            if epoch % max(1, descent.epochs // 500) == 0:
                writer.add_scalar("seven/error", loss, epoch)
                for n, value in enumerate(theta.tolist()):
                    writer.add_scalar(f"seven/theta{n}", value, epoch)
    print(f"\ncurves   tensorboard --logdir {runs_dir}")


def _plot(folder: Path, first: Tensor, descent: Descent, x: Tensor, y: Tensor, activation: Activation) -> None:
    from bluebird.watch.seven import draw_descent

    for path in draw_descent(folder, [first, *(theta for (theta,) in descent.path)], descent.errors, x, y, activation):
        print(f"figure   {path}")
