"""A training that runs out of memory: what would fit is tried out, and said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.trial import fits, freed_afterwards, num_training_pictures
from bluebird.engines.engine import AT_ONCE
from bluebird.errors import TrainingError, is_out_of_memory

_LOOKING = (
    f"out of memory while the network looks at {AT_ONCE} pictures at a time, whatever the batch size, or while the "
    "last layer is fitted to what it saw: choose smaller pictures (--data.image_size), fewer scales or pooling "
    "as_built (--model.network.init_args), a smaller network, or, where it is a GPU's memory, --trainer.accelerator cpu"
)


@contextmanager
def memory_in_a_line(cli: TrainCLI) -> Iterator[None]:
    """Running out of memory in the block, a training of `cli`, as a `TrainingError` that says which batch size fits.

    Halves are tried, each by two whole training steps, on a model that is spent afterwards.
    """
    with _in_a_line(lambda: _advice(cli)):
        yield


@contextmanager
def looking_in_a_line() -> Iterator[None]:
    """The same where nothing is trained: a network is asked for features, or a last layer fitted to them."""
    with _in_a_line(lambda: _LOOKING):
        yield


@contextmanager
def _in_a_line(advice: Callable[[], str]) -> Iterator[None]:
    try:
        with freed_afterwards():
            yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        message = advice()
        raise TrainingError(message) from None


def _advice(cli: TrainCLI) -> str:
    size = min(cli.datamodule.batch_size, num_training_pictures(cli))
    if torch.distributed.is_initialized():  # a step of one process alone would wait for the others
        return f"out of memory at a batch size of {size:,} for each process: try --data.batch_size {max(1, size // 2)}"
    smaller = size // 2
    while smaller and not fits(cli, smaller):
        smaller //= 2
    if not smaller:
        return (
            f"out of memory at a batch size of {size:,}, and at 1, too: choose smaller pictures (--data.image_size) or "
            "a smaller network (--model.network.init_args)"
        )
    gathered = -(-size // smaller) * max(1, cli.config.trainer.accumulate_grad_batches)
    return (
        f"out of memory at a batch size of {size:,}; {smaller:,} fits: --data.batch_size {smaller} (with "
        f"--trainer.accumulate_grad_batches {gathered} a step still learns from as many pictures)"
    )
