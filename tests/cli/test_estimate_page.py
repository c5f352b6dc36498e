"""The page on which a sample is labelled, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluebird.search.sample import Plan, write_page, write_table
from bluebird.search.sample.page import mixed
from tests.browser import Page
from tests.cli.estimates import rows as read_rows
from tests.search.results.example import HOSTILE, pictures

BEST = ["in/best 0.jpg", HOSTILE, f"in/none {HOSTILE}", "in/best 3.jpg"]
DRAWN = [f"in/{number}.jpg" for number in range(8)]
ROWS = [("best", path, f"0.9{n}1234") for n, path in enumerate(BEST)] + [("rest", path, "0.031234") for path in DRAWN]


def write(path: Path, seed: int = 0) -> Path:
    plan = Plan([HOSTILE, "owl"], "model", "digest", seed, 500, BEST, DRAWN)
    write_page(plan, ROWS, Path("/mountain"), pictures, f"bluebird estimate '{HOSTILE}'", path)
    return path


@pytest.fixture
def opened(page: Page, tmp_path: Path) -> Iterator[Page]:
    page.resize(1280, 900)
    page.open(write(tmp_path / "sample.html"))
    yield page
    assert page.errors == []


def download(page: Page, folder: Path) -> Path:
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    page.run("document.querySelector('#download').click()")
    table = folder / "sample.csv"
    for _ in range(100):
        if table.exists():
            break
        time.sleep(0.05)
    return table


def test_nothing_leads_the_eye(opened: Page) -> None:
    shown = opened.run("document.body.innerText")
    assert "0.9" not in shown
    assert "0.03" not in shown
    assert opened.run("document.querySelectorAll('.card').length") == 12
    attributes = opened.run("[...document.querySelectorAll('img')].map(i => [...i.attributes].map(a => a.name)).flat()")
    assert set(attributes) == {"src", "alt"}
    assert set(opened.run("[...document.querySelectorAll('img')].map(image => image.alt)")) <= {
        f"Picture {number}" for number in range(1, 13)
    }


def test_names_that_mean_harm_are_shown_and_not_run(opened: Page) -> None:
    assert opened.run("window.pwned") is None
    assert opened.run("document.querySelectorAll('img[src=x]').length") == 0
    assert HOSTILE in opened.run("document.querySelector('h1').textContent")
    shown = opened.run("document.querySelector('.picture p').textContent")
    assert shown == f"no preview of in/none {HOSTILE}"


def test_keys_answer_and_go_on_and_the_table_is_that_of_the_draw(opened: Page, tmp_path: Path) -> None:
    opened.run("document.querySelector('.card input').focus()")
    for key in ("y", "n", "n", "y", "n"):
        opened.press(key)
    assert opened.text("#status") == "5 of 12 answered, 2 of them yes"
    answered = dict(zip(mixed(4, 8, 0), ["yes", "no", "no", "yes", "no"], strict=False))
    table = download(opened, tmp_path)
    write_table(ROWS, tmp_path / "empty.csv")
    expected = [row | {"shows": answered.get(n, "")} for n, row in enumerate(read_rows(tmp_path / "empty.csv"))]
    assert read_rows(table) == expected


def test_an_answer_can_be_clicked_changed_and_taken_back(opened: Page) -> None:
    for word, status in (("yes", "1 of 12 answered, 1 of them yes"), ("no", "1 of 12 answered, 0 of them yes")):
        opened.run(f"document.querySelector('.card input[value={word}]').click()")
        assert opened.text("#status") == status
        assert opened.run("document.querySelector('.card').dataset.shows") == word
    opened.run("document.querySelector('.card input').focus()")
    opened.press("Backspace")
    assert opened.text("#status") == "0 of 12 answered, 0 of them yes"
    assert opened.run("document.querySelectorAll('input:checked').length") == 0


def test_answers_outlast_the_page_but_are_none_of_another_sample(opened: Page, tmp_path: Path) -> None:
    opened.run("document.querySelector('.card input').focus()")
    opened.press("y")
    assert opened.text("#status") == "1 of 12 answered, 1 of them yes"
    kept = "1 of 12 answered, 1 of them yes"
    time.sleep(1)  # a page that is left at once, as no person could, may be gone before the browser has its answers
    assert opened.open_until(tmp_path / "sample.html", "#status", kept) == kept
    file = tmp_path / "sample.html"
    file.write_text(file.read_text(encoding="utf-8").replace('data-plan="', 'data-plan="0'), encoding="utf-8")
    opened.open(file)
    assert opened.text("#status") == "0 of 12 answered, 0 of them yes"


def test_a_page_that_only_opens_writes_over_nothing(opened: Page) -> None:
    own = "Object.keys(localStorage).filter(key => key.startsWith(location.pathname)).length"
    assert opened.run(own) == 0
    opened.run("document.querySelector('.card input[value=no]').click()")
    assert opened.run(own) == 1


def test_all_that_are_open_can_be_answered_at_once(opened: Page) -> None:
    opened.run("document.querySelector('.card input').focus()")
    opened.press("y")
    opened.run("document.querySelector('#others').click()")
    assert opened.text("#status") == "12 of 12 answered, 1 of them yes"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_sticks_out_of_a_narrow_window(opened: Page, width: int) -> None:
    opened.resize(width, 800, mobile=True)
    assert opened.run("document.documentElement.scrollWidth") == width
    overflowing = "[...document.querySelectorAll('fieldset')].filter(f => f.scrollWidth > f.clientWidth).length"
    assert opened.run(overflowing) == 0


def test_the_drawn_ones_keep_their_order_and_the_best_are_anywhere_among_them() -> None:
    orders = [mixed(4, 8, seed) for seed in range(300)]
    assert all(sorted(order) == list(range(12)) for order in orders)
    assert all([n for n in order if n >= 4] == list(range(4, 12)) for order in orders)
    firsts = [order[0] for order in orders]
    assert {*firsts} == {0, 1, 2, 3, 4}
    assert 60 < sum(first < 4 for first in firsts) < 140  # a third of 300, by 4 standard deviations
    assert {order.index(0) for order in orders} == set(range(12))
