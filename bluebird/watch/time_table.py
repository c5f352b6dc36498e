"""Where the time of a training went: reading, computing, validating, looking on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from lightning.pytorch.profilers import Profiler

PARTS = {
    "loading": "waiting for the data loader",
    "transfer": "batches to the device, augmentation",
    "forward": "forward pass and loss",
    "backward": "backward pass",
    "optimiser": "optimiser and schedule",
    "validation": "validation, its loading included",
    "callbacks": "callbacks and checkpoints",
    "rest": "start, loops, loggers, end",
}
"""The parts of a training and what they hold, in the order in which a batch meets them."""

_HOOKS = {
    "train_dataloader_next": "loading",
    "batch_to_device": "transfer",
    "training_step": "forward",
    "backward": "backward",
    "optimizer_step": "optimiser",
    "optimizer_zero_grad": "optimiser",
    "configure_gradient_clipping": "optimiser",
    "lr_scheduler_step": "optimiser",
}
_VALIDATES = {
    ("[LightningModule]", "on_validation_model_eval"): "validation",
    ("[Strategy]", "on_validation_end"): "rest",
}
"""The first and the last hook of a validation, which as a whole has no action, and the part from each of them on."""


@dataclass(frozen=True)
class TimeTaken:
    """Seconds by part, which add up to the time of the fit, over so many batches trained on a `device` (as "cuda")."""

    seconds: dict[str, float]
    batches: int
    device: str

    @property
    def wall_seconds(self) -> float:
        return sum(self.seconds.values())

    def summary(self) -> dict[str, Any]:
        """Plain numbers, as `time.json` has them."""
        seconds = {name: round(value, 6) for name, value in self.seconds.items()}
        return {
            "device": self.device,
            "batches": self.batches,
            "wall_seconds": round(self.wall_seconds, 6),
            "seconds": seconds,
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """What these times do not say."""
        found = []
        if self.device != "cpu":
            found.append(
                f"a {self.device} device computes while the processor goes on: these are the times of giving it work, "
                "and what it still had to do is waited for in whichever part next reads a value"
            )
        if self.batches and not self.seconds["backward"]:
            found.append("the training step goes backward by itself, so that forward holds both ways")
        return found

    def table(self) -> str:
        """A line for each part that took time, to be printed: seconds, share of all, milliseconds for each batch."""
        per_batch = 1000 / max(1, self.batches)
        wall = self.wall_seconds
        rows = [("part", "seconds", "share", "ms a batch", "")]
        for name, value in [*self.seconds.items(), ("all", wall)]:
            share = value / wall if wall else 0.0
            rows.append((name, f"{value:.2f}", f"{share:.1%}", f"{value * per_batch:.3f}", PARTS.get(name, "")))
        lines = [f"{part:<12}{s:>10}{share:>9}{ms:>12}  {about}".rstrip() for part, s, share, ms, about in rows]
        return "\n".join([*lines, *(f"note        {note}" for note in self.notes())])


class _Action:
    """An action of one part, entered and left as often as Lightning likes, inside of itself too."""

    __slots__ = ("_begins", "_part", "_table")

    def __init__(self, table: TimeTable, part: str | None, begins: str | None) -> None:
        self._table, self._part, self._begins = table, part, begins

    def __enter__(self) -> None:
        table = self._table
        now = perf_counter()
        stack = table.stack
        here = stack[-1]
        table.seconds[here] += now - table.last
        table.last = now
        if self._begins is not None:
            stack[-1] = here = self._begins
        # inside a validation only callbacks are told apart
        part = here if self._part is None or (here == "validation" and self._part != "callbacks") else self._part
        stack.append(part)
        table.entered[part] += 1

    def __exit__(self, *_: object) -> None:
        table = self._table
        now = perf_counter()
        table.seconds[table.stack.pop()] += now - table.last
        table.last = now


class TimeTable(Profiler):
    """Takes the time of a fit, part by part, by the names that Lightning gives to its actions.

    There is one clock, read whenever an action begins or ends; what went by since it was last read belongs to the
    innermost action that was open. So nothing is counted twice, and the parts add up to the time from `Trainer.fit`'s
    set-up to its end. An action without a part of its own counts for the one it happens in. A Trainer's later test or
    validation changes nothing. After `--resume` it is the time since then.

    The times are those of the processor: see `TimeTaken.notes`.

    Source: self time, as gprof has it (Graham, Kessler & McKusick 1982, SIGPLAN Notices 17), with no sampling.
    """

    def __init__(self) -> None:
        super().__init__()
        self._actions: dict[str, _Action] = {}
        self._taken: tuple[dict[str, float], int] | None = None
        self._begin()

    def _begin(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.entered = dict.fromkeys(PARTS, 0)
        self.stack = ["rest"]
        self.last = perf_counter()

    def setup(self, stage: str, local_rank: int | None = None, log_dir: str | None = None) -> None:
        super().setup(stage, local_rank, log_dir)
        self._begin()
        if stage == "fit":
            self._taken = None

    def describe(self) -> None:
        """Ends the time of a fit; Lightning calls it last."""
        if self._stage == "fit":
            self.seconds[self.stack[-1]] += perf_counter() - self.last
            self._taken = dict(self.seconds), self.entered["forward"]

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """As Lightning's, but made once for each name: a small network's step goes through a hundred."""
        action = self._actions.get(action_name)
        if action is None:
            action = self._actions[action_name] = self._make(action_name)
        return action

    def start(self, action_name: str) -> None:
        self.profile(action_name).__enter__()

    def stop(self, action_name: str) -> None:
        self.profile(action_name).__exit__(None, None, None)

    def taken(self, device: str) -> TimeTaken | None:
        """The time of the last fit that came to its end, on a `device` as `root_device.type` names it; None before."""
        return None if self._taken is None else TimeTaken(*self._taken, device)

    def _make(self, name: str) -> _Action:
        hook = name.rpartition(".")[2]
        part = "callbacks" if name.startswith("[Callback]") else _HOOKS.get(hook)
        begins = _VALIDATES.get((name[: name.find("]") + 1], hook))
        return _Action(self, part, begins)
