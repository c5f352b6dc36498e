"""A training in several processes, its ranks: one of them leads, the others compute with it and stay silent.

Ranks are started by `launch`, or from outside, by torchrun or SLURM. All of them read the data, build the network and
train; what is there once - the run folder, the lines on the screen, test and bundle - is the leading rank's.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import lightning as L
import torch
from lightning.fabric.utilities import rank_zero_only

from bluebird.cli.training.devices import alone_on
from bluebird.cli.training.parser import TrainCLI
from bluebird.errors import BluebirdError, TrainingError
from bluebird.nets.sharded import FullySharded
from bluebird.pixels.cache import default_cache_dir
from bluebird.pixels.room import claim

WORDS = "BLUEBIRD_RANK_WORDS"
"""The folder in which a rank that `launch` has started leaves what it would have said at its end."""

RUN = "BLUEBIRD_RUN"
"""The run folder, where `launch` has chosen it."""

FAILED, CRASHED, LEFT_ALONE, INTERRUPTED, PIPE_CLOSED = 2, 1, 75, 130, 141
"""How a rank ends: for a reason it can name, by a fault of the program, since another did, as asked, unread."""


class LostRankError(TrainingError):
    """Another process of the training has ended, and with it whatever this one waited for."""


def leads() -> bool:
    """Whether this process speaks and writes; a training of one process does."""
    return _rank() == 0


def _rank() -> int:
    return int(getattr(rank_zero_only, "rank", 0))


def given_folder() -> Path | None:
    """The run folder that `launch` has chosen, if it has started this process."""
    name = os.environ.get(RUN)
    return Path(name) if name else None


def lost(error: BaseException) -> bool:
    """Whether an error says that another rank does not answer any more."""
    distributed = torch.distributed.is_available() and isinstance(error, torch.distributed.DistError)
    return distributed or (isinstance(error, RuntimeError) and "gloo/" in str(error))


@contextmanager
def in_rank() -> Iterator[None]:
    """Nothing is printed in the block but by the leading rank; of a rank of `launch`'s, its last words go there."""
    with ExitStack() as stack:
        if WORDS in os.environ:
            threading.Thread(target=_end_with_the_launcher, daemon=True).start()
            stack.enter_context(_last_words(Path(os.environ[WORDS])))
        if not leads():
            nowhere = stack.enter_context(Path(os.devnull).open("w"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """One rank of this machine after the other goes through the block, so that the first decodes for all of them."""
    several = any(int(os.environ.get(name) or 1) > 1 for name in ("WORLD_SIZE", "SLURM_NTASKS"))
    with ExitStack() as stack:
        if several:
            with suppress(OSError):  # the cache's own line on that is better
                default_cache_dir().mkdir(parents=True, exist_ok=True)
                claim(stack.enter_context((default_cache_dir() / "ranks.lock").open("w")))
        yield


def alone(cli: TrainCLI, trainer: L.Trainer) -> L.Trainer:
    """A trainer of this process only that stands where `trainer` ended: same run, callbacks, steps. Ranks part here.

    What one process does by itself (test, validation) would otherwise wait for the others in every metric.
    """
    if isinstance(trainer.strategy, FullySharded):
        trainer.strategy.gather()
    elif trainer.world_size == 1:
        return trainer
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    settings = alone_on(trainer.strategy.root_device)
    single = cli.instantiate_trainer(logger=trainer.loggers, extra=[], profiler=trainer.profiler, **settings)  # type: ignore[attr-defined]
    single.callbacks = trainer.callbacks  # type: ignore[attr-defined]
    single.fit_loop.load_state_dict(trainer.fit_loop.state_dict())
    return single


@contextmanager
def _last_words(folder: Path) -> Iterator[None]:
    """An error in the block as a file, named by the rank, and an exit code of its own; the launcher says it, once."""
    try:
        yield
    except BrokenPipeError:
        raise SystemExit(PIPE_CLOSED) from None
    except (BluebirdError, OSError) as error:
        _leave(folder, str(error), LEFT_ALONE if isinstance(error, LostRankError) else FAILED)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Exception:
        _leave(folder, traceback.format_exc(), CRASHED)


def _leave(folder: Path, text: str, code: int) -> None:
    (folder / str(_rank())).write_text(text, errors="backslashreplace")
    raise SystemExit(code)


def _end_with_the_launcher() -> None:
    """The launcher holds the other end of stdin; however it goes, this process has then nobody to report to."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
