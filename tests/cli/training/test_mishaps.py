from __future__ import annotations

import re
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch

from bluebird.cli.training.mishaps import looking_in_a_line, memory_in_a_line
from bluebird.cli.training.parser import TrainCLI
from bluebird.cli.training.trial import freed_afterwards
from bluebird.errors import TrainingError, is_out_of_memory
from tests.conftest import REPOSITORY, MakeFolder, small_run

pytestmark = pytest.mark.filterwarnings("ignore")  # as the command line has it: libraries advise programmers

LITTLE_MEMORY = """
import logging, resource, sys, warnings; warnings.simplefilter("ignore"); sys.path.insert(0, sys.argv[1])
from pathlib import Path
import torch
from bluebird.cli.training.mishaps import memory_in_a_line
from bluebird.cli.training.parser import TrainCLI
from bluebird.errors import TrainingError
from bluebird.cli.training.trial import Quiet, fits, run_trial
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
torch.set_num_threads(1)
cli = TrainCLI(sys.argv[2:])
cli.datamodule.batch_size = 4
run_trial(cli, 1, Quiet())  # whatever torch takes for itself
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 80 * 2**20,) * 2)
cli.datamodule.batch_size = 128
try:
    with memory_in_a_line(cli):
        run_trial(cli, 2, Quiet())
except TrainingError as error:
    print(error)
    print([fits(cli, int(size)) for size in (4, 64)])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no limit on memory elsewhere")
@pytest.mark.trial
def test_running_out_of_memory_is_said_with_a_batch_size_that_fits(make_folder: MakeFolder, tmp_path: Path) -> None:
    run = [*small_run(make_folder(95), tmp_path / "runs"), "--data.image_size", "128",
           "--model.network.init_args.stem", "32"]  # fmt: skip
    command = [sys.executable, "-c", LITTLE_MEMORY, str(REPOSITORY), *run]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    line, really = done.stdout.splitlines()
    found = re.fullmatch(
        r"out of memory at a batch size of 128; (\d+) fits: --data\.batch_size (\d+) "
        r"\(with --trainer\.accumulate_grad_batches (\d+) a step still learns from as many pictures\)", line
    )  # fmt: skip
    assert found, line
    fits, setting, gathered = map(int, found.groups())
    assert fits == setting == 128 // gathered
    assert 4 <= fits < 64
    assert really == "[True, False]"


def test_a_network_for_which_there_is_no_memory_at_any_size_is_said(make_folder: MakeFolder, tmp_path: Path) -> None:
    cli = TrainCLI(small_run(make_folder(), tmp_path / "runs"))
    cli.model.make_optimizer = lambda _: torch.empty(2**60)  # type: ignore[assignment, return-value]
    with pytest.raises(TrainingError, match="and at 1, too: choose smaller pictures"), memory_in_a_line(cli):
        torch.empty(2**60)


def test_what_ran_out_of_memory_is_let_go_while_the_error_lives() -> None:
    seen: list[weakref.ref[torch.Tensor]] = []

    def fail() -> None:
        activations = torch.ones(3)
        seen.append(weakref.ref(activations))
        torch.empty(2**60)

    with pytest.raises(RuntimeError) as caught, freed_afterwards():
        fail()
    assert caught.value.__traceback__
    assert seen[0]() is None


def test_what_is_not_about_memory_goes_on_as_it_is(make_folder: MakeFolder, tmp_path: Path) -> None:
    cli = TrainCLI(small_run(make_folder(), tmp_path / "runs"))
    with pytest.raises(RuntimeError, match="must match the size"), memory_in_a_line(cli):
        torch.ones(2) + torch.ones(3)


def test_what_torch_says_of_memory_is_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 5.00 GB)"))
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_running_out_of_memory_where_nothing_is_trained_names_no_batch_size() -> None:
    with pytest.raises(TrainingError, match=r"whatever the batch size.*choose smaller pictures"), looking_in_a_line():
        torch.empty(2**60)


def test_a_process_of_several_that_runs_out_of_memory_tries_nothing_alone(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = TrainCLI(small_run(make_folder(), tmp_path / "runs"))
    monkeypatch.setattr("bluebird.cli.training.mishaps.fits", None)  # any attempt would fail
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        with pytest.raises(TrainingError, match=r"size of 8 for each process: try .*size 4"), memory_in_a_line(cli):
            torch.empty(2**60)
    finally:
        torch.distributed.destroy_process_group()
