"""Starts the processes of a training on several devices and sees that they end together.

Lightning's own launcher makes the first rank the parent of the others, which leaves nobody to tell if that one is
killed. Here the command itself computes nothing: it starts all ranks, waits, and has the last word.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
from torch.nn.modules.batchnorm import _BatchNorm

import bluebird
from bluebird.callbacks import Interrupt
from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.ranks import CRASHED, FAILED, INTERRUPTED, LEFT_ALONE, PIPE_CLOSED, RUN, WORDS
from bluebird.cli.training.resume import advice, interruptible
from bluebird.errors import TrainingError, UsageError
from bluebird.nets.sharded import NAME as FSDP

Ranks = list[subprocess.Popen[bytes]]

_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Launch:
    """So many processes on this machine, the node `node_rank` of `num_nodes`, and where the first of all listens."""

    num_processes: int
    num_nodes: int
    node_rank: int
    address: str
    port: int

    def run(self, folder: Path, arguments: Sequence[str]) -> int:
        """The exit code of `bluebird train` with these arguments, in ranks that write into `folder`.

        Raises:
            TrainingError: one of them failed; the others are ended.
            KeyboardInterrupt: Ctrl-C; it says how to go on.
        """
        interrupt = Interrupt()
        with tempfile.TemporaryDirectory(prefix="bluebird-") as words, interruptible(interrupt, lambda: advice(folder)):
            ranks: Ranks = []
            try:
                for rank in range(self.num_processes):
                    ranks.append(self._start(rank, arguments, folder, words))
                _wait(ranks, interrupt)
            finally:
                codes = _end(ranks)
            return _outcome(codes, self._words(Path(words)), folder)

    def _start(self, local_rank: int, arguments: Sequence[str], folder: Path, words: str) -> subprocess.Popen[bytes]:
        first = self.node_rank * self.num_processes
        environment = {
            "TORCH_CPP_LOG_LEVEL": "ERROR",  # that a rank is lost is said once, and not by torch
            **os.environ,
            "MASTER_ADDR": self.address,
            "MASTER_PORT": str(self.port),
            "NODE_RANK": str(self.node_rank),
            "LOCAL_RANK": str(local_rank),
            "RANK": str(first + local_rank),
            "WORLD_SIZE": str(self.num_processes * self.num_nodes),
            "PYTHONPATH": os.pathsep.join([str(Path(bluebird.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
            WORDS: words,
            RUN: str(folder),
        }
        silent = None if first + local_rank == 0 else subprocess.DEVNULL
        warnings = [f"-W{option}" for option in sys.warnoptions]
        with _sigint_ignored():  # as a rank then does until it can answer; otherwise it would print where it was
            return subprocess.Popen(
                [sys.executable, *warnings, "-m", "bluebird", "train", *arguments],
                env=environment,
                stdin=subprocess.PIPE,  # whose end tells a rank that nobody is left to supervise it
                stdout=silent,
                stderr=silent,
                process_group=0,  # so that Ctrl-C reaches a rank once, from here
            )

    def _words(self, folder: Path) -> list[str]:
        first = self.node_rank * self.num_processes
        files = [folder / str(first + rank) for rank in range(self.num_processes)]
        return [file.read_text() if file.is_file() else "" for file in files]


def planned(cli: TrainCLI) -> Launch | None:
    """The processes that a training of `cli` needs; None where one is enough, or torchrun or SLURM started them all.

    Raises:
        UsageError: it asks for what cannot be done in several processes.
    """
    settings = cli.config_init.trainer
    named = settings.strategy if isinstance(settings.strategy, str) else "auto"
    silent = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    options: dict[str, Any] = {name: settings[name] for name in ("accelerator", "devices", "num_nodes")}
    probe: Any = L.Trainer(strategy=named, **options | dict.fromkeys(silent, False))  # knows what auto means here
    _check_started(probe.world_size)
    if probe.world_size == 1:
        return None
    _check(cli, named, probe.strategy.root_device.type)
    environment = probe.strategy.cluster_environment
    if environment.creates_processes_externally:
        return None
    return Launch(
        probe.num_devices,
        probe.num_nodes,
        environment.node_rank(),
        environment.main_address,
        environment.main_port,
    )


def _check_started(wanted: int) -> None:
    """That as many processes are asked for as somebody else has started, or each of them would train on its own."""
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    started = int(os.environ.get("WORLD_SIZE" if by_torchrun else "SLURM_STEP_NUM_TASKS") or 1)
    if started != wanted and (by_torchrun or started > 1):
        raise UsageError(
            f"{'torchrun' if by_torchrun else 'srun'} has started {started} processes, and trainer.devices times "
            f"trainer.num_nodes is {wanted}; set both to what is started"
        )


def _check(cli: TrainCLI, strategy: str, device: str) -> None:
    if any(way in strategy for way in ("spawn", "fork", "notebook")):
        raise UsageError(f"trainer: strategy is {strategy}, which is made for notebooks; expected ddp")
    if not cli.model.automatic_optimization:
        raise UsageError("model.by_hand is on, which learns in one process; leave it out, or set --trainer.devices 1")
    if strategy == FSDP:
        _check_sharded(cli)
    if cli.config.audit.every_n_steps is not None:
        raise UsageError(
            "audit.every_n_steps is set, and several processes average their gradients; set --trainer.devices 1"
        )
    norms = any(isinstance(module, _BatchNorm) for module in cli.model.modules())
    if device == "cpu" and cli.config.trainer.sync_batchnorm and norms:
        raise UsageError("trainer: sync_batchnorm is on, and torch has it for GPUs only; leave it out on a CPU")


def _check_sharded(cli: TrainCLI) -> None:
    """What looks at weights, or moves them, without the other processes."""
    config = cli.config
    for name, on in (
        ("ema.decay", config.ema.decay is not None),
        ("swa.start", config.swa.start is not None),
        ("converged.threshold", config.converged.threshold is not None),
        ("model.unfreeze", cli.model.unfreeze_share > 0),
        ("audit.every_n_steps", config.audit.every_n_steps is not None),
    ):
        if on:
            raise UsageError(f"{name} is set, which {FSDP} cannot do; leave it out, or take --trainer.strategy ddp")


def _wait(ranks: Ranks, interrupt: Interrupt) -> None:
    """Until all ranks have ended well, or one has not."""
    while any(rank.poll() is None for rank in ranks) and not any(rank.returncode for rank in ranks):
        interrupt.obey()
        time.sleep(_POLL_SECONDS)


def _end(ranks: Ranks) -> list[int]:
    """How all ranks ended, which those that still run are asked to do, and made to: they then count as interrupted."""
    codes = []
    deadline = time.monotonic() + _GRACE_SECONDS
    for rank in ranks:
        rank.send_signal(signal.SIGINT)
    for rank in ranks:
        try:
            codes.append(rank.wait(max(0.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            rank.kill()
            rank.wait()
            codes.append(INTERRUPTED)
    return codes


@contextmanager
def _sigint_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _outcome(codes: Sequence[int], words: Sequence[str], folder: Path) -> int:
    """The first cause among the ends of all ranks: a kill, a reason, a crash; what follows from those says nothing."""
    order = {FAILED: 1, PIPE_CLOSED: 1, CRASHED: 2, INTERRUPTED: 3, LEFT_ALONE: 4, 0: 5}
    code, text = min(zip(codes, words, strict=True), key=lambda end: order.get(end[0], 0))
    if code in (0, PIPE_CLOSED):
        return code
    if code == CRASHED and text:
        print(text, end="", file=sys.stderr)
        return code
    cause = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    raise TrainingError(text or f"a process of the training has ended ({cause}); {advice(folder)}")
