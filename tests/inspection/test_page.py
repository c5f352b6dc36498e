from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bluebird.inspection import Inspection, write_csv, write_json, write_page
from tests.browser import Page
from tests.inspection.sets import bird, looked_at, paint, read_csv

HOSTILE = "<script>alert(1)<script><img src=x onerror=alert(2)>&\"'"


class _Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture
def hostile(tmp_path: Path) -> Inspection:
    """A set with a fault of every kind, whose file and class names would be markup."""
    root, name = tmp_path / "set", HOSTILE
    for label in ("cardinal", "goldfinch", "no_bird"):
        paint(root / "train", label, 20)
        paint(root / "test", label, 4, first=60)
    evil = root / "train" / name
    shutil.move(root / "train" / "goldfinch", evil)
    shutil.move(root / "test" / "goldfinch", root / "test" / name)
    bird("cardinal", 500).save(evil / f"{name}.png")
    bird("cardinal", 501).resize((20, 20)).save(evil / f"tiny{name}.png")
    bird("cardinal", 502).resize((300, 60)).save(evil / f"strip{name}.png")
    (evil / f"broken{name}.jpg").write_text("no picture")
    (evil / os.fsdecode(b"caf\xe9.jpg")).write_text("no picture")
    shutil.copy(evil / "003.png", evil / f"again{name}.png")
    shutil.copy(evil / "004.png", root / "test" / name / f"leak{name}.png")
    shutil.copy(evil / "005.png", root / "train" / "cardinal" / "cross.png")
    return looked_at(root)


def test_names_that_would_be_markup_are_text(hostile: Inspection, tmp_path: Path) -> None:
    write_page(hostile, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    tags = _Elements(page).tags
    assert "script" not in {tag for tag, _ in tags}
    assert not [attribute for _, attributes in tags for attribute in attributes if attribute.startswith("on")]
    assert "&lt;script&gt;" in page
    assert r"caf\udce9.jpg" in page


def test_page_csv_and_json_agree(hostile: Inspection, tmp_path: Path) -> None:
    write_page(hostile, tmp_path / "page.html")
    write_csv(hostile, tmp_path / "problems.csv")
    write_json(hostile, tmp_path / "inspection.json")
    counts = json.loads((tmp_path / "inspection.json").read_text("utf-8"))
    kinds = Counter(row["problem"] for row in read_csv(tmp_path / "problems.csv"))
    assert {kind: count for kind, count in counts["problems"].items() if count} == kinds
    assert all(kinds[kind] >= 1 for kind in ("unreadable", "tiny", "odd shape", "copy across splits", "label"))
    files = [path for path in hostile.listing.root.rglob("*") if path.is_file()]
    assert counts["pictures"] == len(files) == sum(n for by in counts["classes"].values() for n in by.values())
    page = (tmp_path / "page.html").read_text("utf-8")
    numbers = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert numbers["pictures"] == str(len(files))
    assert numbers["unreadable"] == str(kinds["unreadable"])
    assert numbers["copies across splits"] == str(kinds["copy across splits"])
    assert page.count("looks like") == kinds["label"]  # the alternative text of each suspect's picture


def test_paths_in_the_csv_lead_to_the_files(hostile: Inspection, tmp_path: Path) -> None:
    write_csv(hostile, tmp_path / "problems.csv")
    rows = read_csv(tmp_path / "problems.csv")
    assert list(rows[0]) == ["path", "label", "split", "problem", "detail"]
    for row in rows:
        path = hostile.listing.root / row["path"].replace(r"\udce9", "\udce9")
        assert path.is_file()
        assert (row["split"], row["label"]) == path.relative_to(hostile.listing.root).parts[:2]


def test_a_real_browser_shows_the_page_without_a_complaint(hostile: Inspection, page: Page, tmp_path: Path) -> None:
    write_page(hostile, tmp_path / "page.html")
    for width in (1400, 390):
        page.resize(width, 900, mobile=width < 600)
        page.open(tmp_path / "page.html")
        assert page.run("document.documentElement.scrollWidth") <= width
    page.run("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    page.run("Promise.all([...document.images].map(image => image.decode()))")  # fails where one is no picture
    assert page.run("document.images.length") > 4
    assert page.run("[...document.images].every(image => image.alt && image.naturalWidth > 0)")
    assert "to be mended first" in page.text(".lead")
    assert page.errors == []


def test_a_set_in_order_makes_a_page_too(tmp_path: Path) -> None:
    for label in ("cardinal", "robin"):
        paint(tmp_path / "set", label, 3)
    write_page(looked_at(tmp_path / "set"), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "Nothing stands in the way" in page
    assert "Not judged: it takes two classes" in page


def test_a_manifest_s_paths_count_from_its_folder(tmp_path: Path) -> None:
    for label in ("cardinal", "robin"):
        paint(tmp_path / "set", label, 3)
    (tmp_path / "set" / "robin" / "bad.jpg").write_text("no picture")
    rows = [f"set/{label}/{number:03d}.png,{label}" for label in ("cardinal", "robin") for number in range(3)]
    (tmp_path / "birds.csv").write_text("\n".join(["path,label", *rows, "set/robin/bad.jpg,robin"]) + "\n")
    write_csv(looked_at(tmp_path / "birds.csv"), tmp_path / "problems.csv")
    assert [row["path"] for row in read_csv(tmp_path / "problems.csv")] == ["set/robin/bad.jpg"]
