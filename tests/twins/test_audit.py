"""A real training held against the by-hand twin of its network while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluebird.cli import main
from bluebird.errors import UsageError
from bluebird.twins import GradientAudit
from tests.conftest import MakeFolder, small_run


@pytest.mark.parametrize("options", [[], ["--model.network", "bluebird.nets.MLP", "--model.balance", "true"]])
def test_a_real_training_is_audited_while_it_runs(options: list[str], make_folder: MakeFolder, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    arguments = small_run(make_folder(), tmp_path / "runs")
    if options:
        at = arguments.index("--model.network")
        arguments = arguments[:at] + arguments[arguments.index("--model.optimizer") :]
    extra = ["--model.label_smoothing", "0.1", "--audit.every_n_steps", "2", "--trainer.log_every_n_steps", "1"]
    assert main(["train", *arguments, *options, *extra]) == 0
    events = EventAccumulator(str(tmp_path / "runs" / "small" / "version_0")).Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("audit/")]
    assert len(tags) == (6 if options else 17)
    differences = [point.value for tag in tags for point in events.Scalars(tag)]
    assert 0 < max(differences) < 1e-3


@pytest.mark.parametrize("network", ["bluebird.nets.MLP", "bluebird.nets.CNN"])
def test_with_64_bits_autograd_and_hand_agree_to_eleven_digits(
    network: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    arguments = small_run(make_folder(), tmp_path / "runs")
    at = arguments.index("--model.network")
    arguments = arguments[:at] + arguments[arguments.index("--model.optimizer") :]
    options = ["--model.network", network, "--trainer.precision", "64-true", "--audit.every_n_steps", "1"]
    assert main(["train", *arguments, *options, "--model.balance", "true", "--model.label_smoothing", "0.1"]) == 0
    events = EventAccumulator(str(tmp_path / "runs" / "small" / "version_0")).Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("audit/")]
    assert len(tags) >= 6
    assert max(point.value for tag in tags for point in events.Scalars(tag)) < 1e-11


def test_the_audit_is_off_by_default_and_refuses_no_steps() -> None:
    assert GradientAudit().every_n_steps is None
    with pytest.raises(UsageError, match=r"audit\.every_n_steps is 0"):
        GradientAudit(0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model.by_hand", "true"], "by_hand is on"),
        (["--trainer.accumulate_grad_batches", "2"], "accumulate_grad_batches is 2"),
        (["--data.augment.mixup", "0.2"], "mixes pictures"),
    ],
)
def test_what_cannot_be_audited_is_refused(
    options: list[str], reason: str, make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*small_run(make_folder(), tmp_path / "runs"), "--audit.every_n_steps", "2", *options]
    assert main(["train", *arguments]) == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]
