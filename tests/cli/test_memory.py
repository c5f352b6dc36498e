from __future__ import annotations

import gc
import weakref
from contextvars import ContextVar

import pytest

from bluebird.cli.memory import do_and_forget


class _Held:
    """What only a garbage collection frees."""

    def __init__(self) -> None:
        self.myself = self


_LEFT: ContextVar[_Held] = ContextVar("left")


def test_a_job_is_forgotten_with_what_it_left_in_context_variables() -> None:
    def job() -> weakref.ref[_Held]:
        held = _Held()
        _LEFT.set(held)
        return weakref.ref(held)

    gc.disable()  # so that no other collection does its work
    try:
        assert do_and_forget(job)() is None
    finally:
        gc.enable()
    assert _LEFT.get(None) is None


def test_a_job_that_fails_fails_as_it_would_alone() -> None:
    def job() -> None:
        raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        do_and_forget(job)
