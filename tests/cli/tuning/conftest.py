"""A search for settings that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluebird.cli import main
from tests.cli.tuning.example import command, split_birds


@pytest.fixture(scope="session")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return split_birds(tmp_path_factory.mktemp("birds"))


@pytest.fixture(scope="session")
def searched(birds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a search that nothing disturbed."""
    out = tmp_path_factory.mktemp("searched") / "out"
    assert main(command(birds, out)) == 0
    return out
