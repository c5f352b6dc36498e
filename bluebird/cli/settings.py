"""Settings of a training that cannot be, and whoever finds that out."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from bluebird.errors import UsageError

_CHECKERS = {
    "lightning.fabric.utilities.seed.": "seed_everything",
    "lightning.": "trainer",
    "torch.optim.": "model.optimizer",
}
_REFUSALS = (MisconfigurationException, ValueError, TypeError, RuntimeError, ImportError)
_RAISE = dis.opmap["RAISE_VARARGS"]

_ABOVE_ZERO = ("accumulate_grad_batches", "check_val_every_n_epoch", "log_every_n_steps", "val_check_interval")
"""What Lightning divides by and does not check."""


def check_trainer(trainer: Any) -> None:
    """Raise `UsageError` for settings of the trainer, a namespace, that would fail without a word on why."""
    for name in _ABOVE_ZERO:
        value = trainer[name]
        if isinstance(value, int | float) and value <= 0:
            raise UsageError(f"trainer.{name} is {value}; expected a number above 0")
    endless = trainer.max_epochs == -1 or (trainer.max_epochs is None and trainer.max_time is not None)
    if endless and trainer.max_steps == -1:
        raise UsageError(
            f"trainer.max_epochs is {trainer.max_epochs}: the learning rate needs an end to fall towards; name as many "
            "epochs as may fit, max_time ends them earlier"
        )


@contextmanager
def refused_in_a_line() -> Iterator[None]:
    """What Lightning or an optimiser says against a setting, as a `UsageError`.

    They say it by a `raise` in code of their own. Whatever is raised elsewhere, or comes of an operation in the
    midst of their code, is a fault of the program and goes on as it is.
    """
    try:
        yield
    except _REFUSALS as error:
        checker = _checker(error)
        if not checker:
            raise
        raise UsageError(f"{checker}: {error}") from error


def _checker(error: BaseException) -> str:
    """What was checked, if it was a check that raised the error; else empty."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_code.co_code[trace.tb_lasti] != _RAISE:
        return ""
    module = f"{trace.tb_frame.f_globals.get('__name__')}."
    return next((checked for library, checked in _CHECKERS.items() if module.startswith(library)), "")
