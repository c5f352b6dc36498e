"""One option picked out of a command line, compared with what argparse makes of the same line."""

from __future__ import annotations

from argparse import ArgumentParser

import pytest

from bluebird.cli.take import take
from bluebird.errors import UsageError

LINES = [
    "",
    "--config a.yaml --data.root birds",
    "--resume runs/a",
    "--resume=runs/a",
    "--name b --resume runs/a --name=c",
    "--name=b --resume=runs/a=b --name c",
    "--resume runs/a --name b --resume=runs/c",
    "--resumed x --resum y --data.resume z",
]


@pytest.mark.parametrize("line", LINES)
def test_an_option_is_picked_out_as_argparse_does(line: str) -> None:
    parser = ArgumentParser(allow_abbrev=False)
    parser.add_argument("--resume")
    options, rest = parser.parse_known_args(line.split())
    assert take(line.split(), "--resume", "a run folder") == (options.resume, rest)


@pytest.mark.parametrize("line", ["--resume", "--resume=", "--name a --resume"])
def test_an_option_without_its_value_is_told_what_to_expect(line: str) -> None:
    with pytest.raises(UsageError, match=r"^--resume: expected a run folder$"):
        take(line.split(), "--resume", "a run folder")
