"""The chapter keeps its word: its code runs and prints what it says, its figures and links are there."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

CHAPTER = REPOSITORY / "docs" / "backpropagation.md"
TEXT = CHAPTER.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_every_block_prints_what_stands_below_it() -> None:
    runner, names = doctest.DocTestRunner(verbose=False), {}
    for number, block in enumerate(BLOCKS):
        test = doctest.DocTestParser().get_doctest(block, names, f"block {number + 1}", str(CHAPTER), 0)
        report: list[str] = []
        runner.run(test, out=report.append, clear_globs=False)
        names = test.globs
        assert not report, "".join(report)
    assert runner.tries > 50


def test_every_number_in_the_prose_is_one_that_the_code_prints() -> None:
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    decimals = set(re.findall(r"\d+\.\d+|\d+,\d{3}", prose))
    assert len(decimals) >= 3
    assert [number for number in decimals if number not in "".join(BLOCKS)] == []


def test_links_lead_somewhere_and_headings_are_numbered() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    assert len(links) > 15
    assert [link for link in links if not (CHAPTER.parent / link).exists()] == []
    assert re.findall(r"^## (\d+)\.", TEXT, flags=re.MULTILINE) == [str(n) for n in range(1, 12)]


def test_formulas_are_closed() -> None:
    displayed = re.findall(r"```math\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(displayed) > 15
    inline = re.sub(r"```.*?```|`[^`\n]*`", "", TEXT, flags=re.DOTALL)
    assert inline.count("$") % 2 == 0
    for formula in displayed:
        for opening, closing in (("{", "}"), (r"\begin", r"\end"), ("(", ")")):
            assert formula.count(opening) == formula.count(closing), formula


@pytest.mark.trial
def test_the_figures_are_those_that_the_command_draws(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(REPOSITORY / "docs" / "figures.py"), str(tmp_path)], check=True)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (CHAPTER.parent / "figures").iterdir()}
    assert drawn == set(re.findall(r"figures/(\w+\.png)", TEXT))
