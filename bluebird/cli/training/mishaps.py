"""A training that runs out of memory: what would fit is tried out, and said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.trial import fits, freed_afterwards, is_out_of_memory, num_training_pictures
from bluebird.errors import TrainingError


@contextmanager
def memory_in_a_line(cli: TrainCLI) -> Iterator[None]:
    """Running out of memory in the block, a training of `cli`, as a `TrainingError` that says which batch size fits.

    Halves are tried, each by two whole training steps, on a model that is spent afterwards.
    """
    try:
        with freed_afterwards():
            yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        message = _advice(cli)
        raise TrainingError(message) from None


def _advice(cli: TrainCLI) -> str:
    size = min(cli.datamodule.batch_size, num_training_pictures(cli))
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
