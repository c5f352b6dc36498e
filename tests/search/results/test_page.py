from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bluebird.errors import OutputError
from bluebird.search.names import printable
from bluebird.search.results import Failure, Find, Results, write_page
from tests.search.results.example import CLASSES, HOSTILE, find, jpeg, pictures, results
from tests.search.results.test_tables import _Counted, counted


class _Reader(HTMLParser):
    """Elements, and the text right behind their opening tags, under their class or else their tag."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data: list[tuple[str, str]] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = dict(attrs).get("class") or tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        self.data.append((self.inside, data))

    def of(self, kind: str) -> list[str]:
        return [text for name, text in self.data if name == kind]


def _page(search: Results, file: Path, limit: int = 2000) -> _Reader:
    write_page(search, file, pictures, limit)
    return _Reader(file.read_text("utf-8"))


def _cards(page: _Reader) -> list[dict[str, Any]]:
    return [card for block in page.of("cards") for card in json.loads(block)]


@pytest.mark.parametrize(
    ("root", "shown"),
    [
        ("ftp://me:secret@nas/photos", "ftp://nas/photos"),
        ("https://host:8080/birds/?X-Amz-Signature=secret#secret", "https://host:8080/birds/"),
        ("s3://bucket/birds", "s3://bucket/birds"),
        ("/photos/what@home?", "/photos/what@home?"),
    ],
)
def test_the_page_shows_no_password_and_no_key_of_a_url(root: str, shown: str, tmp_path: Path) -> None:
    _page(replace(results([find(1, "a.jpg", 0.9)]), root=root), tmp_path / "finds.html")
    text = (tmp_path / "finds.html").read_text("utf-8")
    assert shown in text
    assert "secret" not in text


def test_a_card_tells_what_is_known_of_a_find(tmp_path: Path) -> None:
    one = find(1, "in/a.jpg", 0.875, taken="2024-05-12T06:14:09", novelty=0.5)
    (card,) = _cards(_page(results([one]), tmp_path / "finds.html"))
    assert card == {
        **{"section": "finds", "rank": 1, "path": "in/a.jpg", "score": 0.875, "novelty": 0.5, "size": [640, 480]},
        **{"top": [[0, 0.875], [1, 0.075], [2, 0.0375]], "taken": "2024-05-12T06:14:09", "href": ""},
        **{"siblings": [], "more": 0},
    }


def test_siblings_stand_below_the_one_that_leads_them(tmp_path: Path) -> None:
    siblings = [find(1, f"{n}.jpg", 0.9, leader="0.jpg") for n in range(1, 41)]
    page = _page(results([find(1, "0.jpg", 0.9), *siblings, find(2, "x.jpg", 0.8)]), tmp_path / "finds.html")
    first, second = _cards(page)
    assert [sibling["path"] for sibling in first["siblings"]] == [f"{n}.jpg" for n in range(1, 25)]
    assert first["more"] == 40 - 24
    assert second["siblings"] == []


def test_each_card_and_sibling_has_one_line_of_pictures(tmp_path: Path) -> None:
    finds = [find(rank, f"{rank}.jpg", 0.9) for rank in range(1, 251)]
    finds += [find(251, "251.jpg", 0.9), find(251, "none.jpg", 0.9, leader="251.jpg"), find(252, "252.jpg", 0.9)]
    page = _page(results(finds), tmp_path / "finds.html")
    lines = [line for block in page.of("pictures") for line in block.split("\n")]
    assert len(lines) == 253
    assert [n for n, line in enumerate(lines) if base64.b64decode(line) != jpeg()] == [251]
    assert lines[251] == ""
    for cards, shown in zip(page.of("cards"), page.of("pictures"), strict=True):
        assert sum(1 + len(card["siblings"]) for card in json.loads(cards)) == len(shown.split("\n"))


def test_the_best_are_shown_up_to_the_limit_and_all_are_counted(tmp_path: Path) -> None:
    finds = [find(rank, f"{rank}.jpg", 1 - (rank - 0.5) / 1000) for rank in range(1, 1000)]
    page = _page(results(finds), tmp_path / "finds.html", limit=100)
    (summary,) = map(json.loads, page.of("summary"))
    shown = [card["rank"] for card in _cards(page) if card["section"] == "finds"]
    assert shown == list(range(1, 101))
    # 0.6 of the rest falls to the second class: s - 0.6 (1 - s) >= 0.2 from s = 0.5 on
    assert summary["finds"] == 500
    assert sum(summary["histogram"]) == 999
    assert summary["histogram"][25:] == [20] * 25


def test_look_alikes_come_after_the_finds(tmp_path: Path) -> None:
    alike = Find(2, "alike.jpg", 0.4, 0.0, (0.4, 0.6, 0.0, 0.0), 1, 1)
    other = Find(3, "other.jpg", 0.01, 0.0, (0.01, 0.99, 0.0, 0.0), 1, 1)
    page = _page(results([find(1, "a.jpg", 0.9), alike, other]), tmp_path / "finds.html")
    assert [(card["path"], card["section"]) for card in _cards(page)] == [
        ("a.jpg", "finds"),
        ("alike.jpg", "lookalikes"),
    ]


def test_a_thousand_failures_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    failures = [Failure(f"{n}", "hidden file", "skipped") for n in range(1500)]
    (summary,) = map(json.loads, _page(results([], failures), tmp_path / "finds.html").of("summary"))
    assert summary["failures"] == [[f"{n}", "skipped", "hidden file"] for n in range(1000)]
    assert summary["files_without_score"] == 1500


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    plain = _page(results([find(1, "a.jpg", 0.9)], [Failure("a", "b", "failed")]), tmp_path / "plain.html")
    names = [HOSTILE, "<!--<script>", "]]>", "a\udcff.jpg"]
    finds = [find(1, names[0], 0.9), *(find(1, name, 0.9, leader=HOSTILE) for name in names[1:])]
    search = results(finds, [Failure(HOSTILE, HOSTILE, "failed")], classes=(HOSTILE, *CLASSES[1:]))
    page = _page(replace(search, root=HOSTILE, model=HOSTILE), tmp_path / "hostile.html")
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    (card,) = _cards(page)
    assert [card["path"], *(sibling["path"] for sibling in card["siblings"])] == list(map(printable, names))
    (summary,) = map(json.loads, page.of("summary"))
    assert summary["classes"][0] == summary["target"] == HOSTILE
    assert summary["failures"] == [[HOSTILE, "failed", HOSTILE]]
    for text in page.of("cards") + page.of("summary"):
        assert not set(text) & set("<>&\u2028")


def test_the_page_allows_nothing_but_its_own_style_and_script(tmp_path: Path) -> None:
    page = _page(results([find(1, "a.jpg", 0.9)]), tmp_path / "finds.html")
    policies = [attributes["content"] for tag, attributes in page.elements if "http-equiv" in attributes]

    def own(tag: str) -> str:
        digest = hashlib.sha256("".join(page.of(tag)).encode()).digest()
        return f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'"

    expected = [
        "default-src 'none'",
        "img-src data:",
        own("style"),
        own("script"),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert policies == ["; ".join(expected)]
    text = (tmp_path / "finds.html").read_text("utf-8")
    addresses = set(re.findall(r"\w+://[^\s'\"`]*", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a place


def test_the_page_has_language_title_and_landmarks(tmp_path: Path) -> None:
    page = _page(results([]), tmp_path / "finds.html")
    tags = [tag for tag, _ in page.elements]
    assert page.elements[0] == ("html", {"lang": "en"})
    assert page.of("title") == ["WANTED: bluebird"]
    for landmark in ("header", "main", "footer", "h1"):
        assert tags.count(landmark) == 1
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    labels = [attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes]
    assert len(labels) == 5
    assert set(labels) < set(identifiers)


def _luminance(colour: str) -> float:
    """Source: WCAG 2.2, relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        *((ink, paper) for ink in ("ink", "muted", "accent") for paper in ("paper", "card")),
        *(("muted", "mat"), ("on-accent", "accent"), ("on-alert", "alert"), ("alert", "card"), ("good", "card")),
    ],
)
def test_every_ink_stands_out_from_its_paper(tmp_path: Path, scheme: int, ink: str, paper: str) -> None:
    (style,) = _page(results([]), tmp_path / "finds.html").of("style")
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]))
    dark, light = sorted(map(_luminance, (colours[ink], colours[paper])))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_only_what_is_shown_is_held(tmp_path: Path) -> None:
    write_page(
        replace(results([]), finds=lambda: counted(3000)),
        tmp_path / "finds.html",
        lambda names: [b""] * len(names),
        limit=50,
    )
    assert _Counted.most < 10


def test_the_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def breaking() -> Iterator[Find]:
        yield find(1, "a.jpg", 0.9)
        raise KeyboardInterrupt

    (tmp_path / "finds.html").write_text("the page of yesterday")
    with pytest.raises(KeyboardInterrupt):
        _page(replace(results([]), finds=breaking), tmp_path / "finds.html")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["the page of yesterday"]


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    (tmp_path / "finds.html.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"finds\.html': cannot be written \(No space left on device"):
        _page(results([find(1, "a.jpg", 0.9)]), tmp_path / "finds.html")
