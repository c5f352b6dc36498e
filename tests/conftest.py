"""What several tests need: small pictures made on the spot, one trained run, the way to real photos."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bluebird.cli import main
from tests.browser import NAMES, Page, browser, find_browser

REPOSITORY = Path(__file__).resolve().parents[1]
COLOURS = {"blue": (40, 80, 200), "red": (200, 40, 40), "green": (40, 160, 60)}

MakeFolder = Callable[..., Path]


def pytest_configure() -> None:
    """Ctrl-C reaches what the tests start, even where the shell that started them in the background ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Writes class folders of plain noisy colours, easy to tell apart: `make_folder(counts, "name")`."""

    def make(count: int = 12, name: str = "birds", classes: Sequence[str] = ("blue", "red")) -> Path:
        return write_folder(tmp_path / name, count, classes)

    return make


def write_folder(root: Path, count: int, classes: Sequence[str]) -> Path:
    rng = np.random.default_rng(7)
    for label in classes:
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = np.array(COLOURS[label]) + rng.normal(0, 40, (20, 24, 3))
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            picture.save(root / label / f"{number:03d}.png")
    return root


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a small CNN that tells blue from red from green."""
    base = tmp_path_factory.mktemp("trained")
    root = write_folder(base / "birds", 20, ("blue", "red", "green"))
    assert main(["train", *small_run(root, base / "runs"), "--trainer.max_epochs", "4"]) == 0
    return base / "runs" / "small" / "version_0"


def small_run(root: Path, runs: Path) -> list[str]:
    """Arguments of a training that takes a second or two."""
    return [
        *("--data.root", str(root), "--runs_dir", str(runs), "--name", "small", "--target", "blue"),
        *("--data.image_size", "16", "--data.batch_size", "8"),
        *("--model.network", "bluebird.nets.CNN", "--model.network.init_args.stem", "4"),
        *("--model.network.init_args.widths", "[8, 16]", "--model.network.init_args.blocks", "[0, 1]"),
        *("--model.optimizer", "torch.optim.AdamW", "--model.optimizer.init_args.lr", "0.01"),
        *("--trainer.max_epochs", "2", "--trainer.log_every_n_steps", "1", "--trainer.accelerator", "cpu"),
    ]


@pytest.fixture(scope="session")
def real_pictures() -> Path:
    """The folder of real photos and broken files, where there is one."""
    folder = Path(os.environ.get("BLUEBIRD_PICTURES", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real pictures: {folder} is absent (BLUEBIRD_PICTURES names another place)")
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab of a real browser; one browser for all tests of a file."""
    executable = find_browser()
    if not executable:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with browser(executable, tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a disk cannot be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    if os.geteuid():
        pytest.skip("only root may mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
