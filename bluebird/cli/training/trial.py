"""A few steps of a training, to learn something about it: no validation, no log, no checkpoint."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import lightning as L
from lightning.pytorch.utilities.memory import garbage_collection_cuda

from bluebird.cli.training.devices import alone_on, own_device
from bluebird.cli.training.parser import TrainCLI
from bluebird.errors import is_out_of_memory


def run_trial(cli: TrainCLI, num_steps: int, callback: L.Callback, batch_size: int | None = None) -> None:
    """Train `cli.model`, which is spent afterwards, for at most `num_steps` optimiser steps on device and precision
    of the training itself, of several devices on one; `callback` looks on, and may stop it.

    Args:
        batch_size: pictures in a batch (default: as set).
    """
    data = cli.datamodule
    before, data.batch_size = data.batch_size, batch_size or data.batch_size
    try:
        trainer = cli.instantiate_trainer(
            [], callbacks=[], logger=False, enable_checkpointing=False, profiler=None, fast_dev_run=False,
            min_epochs=None, max_epochs=-1, min_steps=None, max_steps=num_steps, max_time=None, limit_val_batches=0,
            **alone_on(own_device(cli.config.trainer)),
        )  # fmt: skip
        trainer.callbacks = [callback]  # type: ignore[attr-defined]  # early stopping, for one, would look for a validation
        trainer.fit(cli.model, datamodule=data)
    finally:
        data.batch_size = before


@contextmanager
def freed_afterwards() -> Iterator[None]:
    """Whatever a block that ran out of memory held is free before its error goes on."""
    try:
        yield
    except BaseException as error:
        if is_out_of_memory(error):
            _clear(error)
        raise


def _clear(error: BaseException) -> None:
    """The frames that an error passed through keep every activation alive for as long as the error lives."""
    trace = error.__traceback__
    while trace:
        with suppress(RuntimeError):  # a frame that still runs
            trace.tb_frame.clear()
        trace = trace.tb_next
    garbage_collection_cuda()


class Quiet(L.Callback):
    """Looks on and does nothing."""


def fits(cli: TrainCLI, batch_size: int) -> bool:
    """Whether two steps of the training with so many pictures in a batch find the memory that they need.

    Two, as an optimiser makes its state in the first.
    """
    try:
        with freed_afterwards():
            run_trial(cli, 2, Quiet(), batch_size)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        gc.collect()
    return True


def num_training_pictures(cli: TrainCLI) -> int:
    """The greatest batch that there is."""
    return len(cli.datamodule.datasets["train"])
