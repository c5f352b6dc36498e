"""What the WANTED page shows, in a real browser."""

from __future__ import annotations

import csv
import time
from pathlib import Path

from PIL import Image

from bluebird.search.results import write_page
from tests.browser import Page
from tests.search.results.conftest import CARDS
from tests.search.results.example import HOSTILE, pictures, results


def test_every_find_is_a_card(opened: Page, tmp_path: Path) -> None:
    assert opened.run("document.querySelectorAll('#finds .card').length") == CARDS
    assert opened.run("document.querySelectorAll('#lookalikes .card').length") == 1
    assert opened.text("h1").split() == ["WANTED", ":", "bluebird"]
    assert opened.text("#count-finds") == "600"
    assert opened.text("#status") == "600 finds and 1 look-alike"
    assert opened.run("document.querySelectorAll('#failures tbody tr').length") == 1
    opened.screenshot(tmp_path / "wanted.png")
    with Image.open(tmp_path / "wanted.png") as screenshot:
        assert screenshot.size == (1280, 900)
        assert len(screenshot.convert("RGB").getcolors(1 << 20) or ()) > 50  # something was drawn


def test_pictures_are_made_when_they_come_near(opened: Page) -> None:
    shown = "document.querySelectorAll('.card img').length"
    before = opened.run(shown)
    assert 3 < before < 60
    opened.run("scrollTo(0, document.body.scrollHeight)")
    opened.settle()
    last = "[...document.querySelectorAll('#finds .card')].at(-1).querySelector('img')"
    assert opened.run(f"{last}.decode().then(() => {last}.naturalWidth)") == 60
    assert before < opened.run(shown) < 200


def test_hostile_names_are_shown_and_not_run(opened: Page) -> None:
    assert opened.run("window.pwned") is None
    assert opened.run("document.querySelectorAll('img[src=x]').length") == 0
    assert opened.run("cards[1].path") == HOSTILE
    assert opened.run("document.querySelector('#failures td:last-child').textContent") == HOSTILE
    assert opened.run("document.querySelector('.classes li:nth-child(2) bdi').textContent") == HOSTILE


def test_a_find_unlike_all_training_pictures_bears_a_badge(opened: Page) -> None:
    shown = "[...document.querySelectorAll('.badge')].map(badge => !badge.hidden)"
    badges = opened.run(shown)
    assert [n for n, badge in enumerate(badges) if badge] == [1, CARDS]


def test_siblings_are_folded_below_their_leader(opened: Page) -> None:
    first = "document.querySelector('.card details')"
    assert opened.run(f"{first}.hidden") is False
    assert opened.text(".card summary") == "3 more of this moment"
    opened.run(f"{first}.open = true")
    opened.settle()
    texts = opened.run(f"[...{first}.querySelectorAll('img')].map(image => image.alt)")
    assert texts == [f"sibling {n}.jpg: bluebird 0.96" for n in range(3)]
    assert opened.run("document.querySelectorAll('details:not([hidden])').length") == 1


def test_marks_are_kept_and_downloaded(opened: Page, file: Path, tmp_path: Path) -> None:
    opened.run("go(0)")
    for key in ("f", "ArrowRight", "x", "ArrowRight", "f", "f"):  # the third is confirmed, then no longer
        opened.press(key)
    assert opened.text(".card .mark") == "✓ confirmed"
    assert opened.open_until(file, "#download", "Download 2 marks") == "Download 2 marks"
    opened.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    opened.run("document.querySelector('#download').click()")
    marks = tmp_path / "marks.csv"
    for _ in range(100):
        if marks.exists():
            break
        time.sleep(0.05)
    with marks.open(newline="", encoding="utf-8") as table:
        assert list(csv.reader(table)) == [["path", "mark"], ["in/best.jpg", "confirmed"], [HOSTILE, "rejected"]]


def test_a_lower_limit_hides_what_scores_less(opened: Page) -> None:
    opened.run("limit.value = 0.96; limit.dispatchEvent(new Event('input'))")
    assert opened.run("[...document.querySelectorAll('.card')].filter(card => card.checkVisibility()).length") == 4
    assert opened.text("#status") == "4 finds and 0 look-alikes with a score of 0.96 or more"
    opened.run("document.querySelectorAll('#histogram .bin')[15].dispatchEvent(new Event('click'))")
    assert opened.text("#limit-value") == "0.30"
    assert opened.text("#status") == "600 finds and 1 look-alike with a score of 0.30 or more"


def test_the_histogram_says_what_it_shows(opened: Page) -> None:
    chart = "document.querySelector('#histogram svg')"
    words = "Histogram of the scores of 604 pictures; 603 score 0.5 or more."
    assert opened.run(f"{chart}.getAttribute('aria-label')") == words
    assert "score: probability of bluebird" in opened.text("#histogram")
    assert "pictures (logarithmic)" in opened.text("#histogram")
    titles = opened.run(f"[...{chart}.querySelectorAll('title')].map(title => title.textContent)")
    assert len(titles) == 50
    assert titles[15] == "0.30 to 0.32: 1 picture"


def test_a_search_without_finds_is_a_page_too(page: Page, tmp_path: Path) -> None:
    page.resize(1280, 900)
    write_page(results([]), tmp_path / "empty.html", pictures)
    page.open(tmp_path / "empty.html")
    assert page.errors == []
    assert page.text("#status") == "0 finds and 0 look-alikes"
    assert page.text("#likeness") == "no likeness yet"
    assert page.text("#failures .about") == "Every file was looked at."
