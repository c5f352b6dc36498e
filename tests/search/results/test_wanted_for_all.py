"""The WANTED page by keyboard, by ear, on a phone, in the dark: in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import Page
from tests.search.results.conftest import CARDS, LONG
from tests.search.results.example import HOSTILE


def test_every_picture_has_an_alternative_text(opened: Page) -> None:
    texts = opened.run("[...document.querySelectorAll('.card img')].slice(0, 3).map(image => image.alt)")
    hostile = HOSTILE[HOSTILE.rindex("/") + 1 :]
    assert texts == ["best.jpg: bluebird 0.97", f"{hostile}: bluebird 0.96", f"{LONG}.jpg: bluebird 0.96"]
    assert opened.run("[...document.images].every(image => image.alt)")
    assert opened.text("#finds .card:nth-child(4) .picture") == "no preview"


def test_the_keyboard_reaches_every_find(opened: Page) -> None:
    focused = "cards.findIndex(card => card.item.contains(document.activeElement))"
    opened.run("document.querySelector('#limit').focus()")
    opened.press("Tab")
    assert opened.run(focused) == 0
    columns = opened.run("getComputedStyle(document.querySelector('.grid')).gridTemplateColumns.split(' ').length")
    steps = [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowDown", 1 + columns), ("ArrowUp", 1)]
    steps += [("End", CARDS), ("ArrowUp", CARDS - 1 - (CARDS - 1) % columns), ("Home", 0), ("ArrowLeft", 0)]
    for key, expected in steps:
        opened.press(key)
        assert opened.run(focused) == expected, key
    outline = opened.run("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    assert opened.run("document.querySelectorAll('.picture[tabindex=\"0\"]').length") == 1


def test_the_skip_link_leads_to_the_finds(opened: Page) -> None:
    opened.press("Tab")
    assert opened.text(":focus") == "Skip to the finds"
    opened.press("Enter")
    assert opened.run("document.activeElement.id") == "finds"


def test_enter_enlarges_and_escape_closes(opened: Page) -> None:
    opened.run("go(0)")
    opened.press("Enter")
    assert opened.run("document.querySelector('dialog').open") is True
    assert opened.text("#view-name") == "best.jpg"
    assert opened.text("#view-details") == "No. 1 · score 0.970 · 640 \u00d7 480 px"
    opened.press("ArrowRight")
    assert opened.run("document.querySelector('#view-path').textContent") == HOSTILE
    assert opened.text("#view-novelty") == "Novelty 0.95: unlike anything it was trained on"
    opened.press("Escape")
    assert opened.run("document.querySelector('dialog').open") is False
    assert opened.run("document.activeElement === cards[1].item.querySelector('.picture')") is True


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_nothing_has_to_be_scrolled_sideways(opened: Page, file: Path, width: int) -> None:
    opened.resize(width, 780, mobile=width < 700)
    opened.open(file)
    opened.run("document.querySelector('.card details').open = true")
    assert opened.run("document.documentElement.scrollWidth") == opened.run("document.documentElement.clientWidth")
    assert opened.run("document.documentElement.clientWidth") <= width
    opened.run("go(2)")
    opened.press("Enter")
    assert opened.run("view.scrollWidth <= view.clientWidth") is True


_LOWEST_CONTRAST = """(() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const linear = (c) => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const paper = (box) => {
    for (; box; box = box.parentElement) {
      const colour = rgba(getComputedStyle(box).backgroundColor);
      if (colour[3] === 255) return colour;
    }
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let worst = [Infinity, ""], seen = 0;
  while (walk.nextNode()) {
    const box = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !box.checkVisibility() || box.closest("script, noscript, template")) continue;
    const style = getComputedStyle(box);
    const inks = [light(rgba(box.closest("svg") ? style.fill : style.color)), light(paper(box))].sort((a, b) => b - a);
    const contrast = (inks[0] + 0.05) / (inks[1] + 0.05);
    seen += 1;
    if (contrast < worst[0]) worst = [contrast, walk.currentNode.data];
  }
  return [...worst, seen];
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_on_the_page_can_be_read(opened: Page, file: Path, scheme: str, tmp_path: Path) -> None:
    opened.resize(1280, 900, scheme=scheme)
    opened.open(file)
    opened.run("go(0)")
    for key in ("f", "ArrowRight", "x", "Enter"):  # all that can be coloured
        opened.press(key)
    contrast, text, seen = opened.run(_LOWEST_CONTRAST)
    assert seen > CARDS
    assert contrast >= 4.5, text
    opened.screenshot(tmp_path / f"{scheme}.png")
    body = opened.run("getComputedStyle(document.body).backgroundColor")
    assert body == {"light": "rgb(244, 237, 223)", "dark": "rgb(25, 21, 16)"}[scheme]


def test_who_wants_no_motion_gets_none(opened: Page) -> None:
    moving = "[...document.querySelectorAll('.card, .bin')].some(e => getComputedStyle(e).transitionDuration !== '0s')"
    assert opened.run(moving) is True
    opened.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    assert opened.run(moving) is False
