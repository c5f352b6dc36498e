from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bluebird.bundle import load_model, save_bundle
from bluebird.cli import main
from tests.conftest import REPOSITORY, MakeFolder

Capture = pytest.CaptureFixture[str]


def _rows(out: Path, table: str = "finds.csv") -> list[dict[str, str]]:
    with (out / table).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _search(model: Path, where: Path | str, out: Path, *more: str) -> int:
    return main(["predict", str(model), str(where), "--target", "blue", "--out", str(out), *more])


def test_what_it_learnt_it_finds_again_best_first(
    trained: Path, make_folder: MakeFolder, tmp_path: Path, capsys: Capture
) -> None:
    folder, out = make_folder(6, "unknown", classes=("red", "blue")), tmp_path / "out"
    assert _search(trained, folder, out) == 0
    rows = _rows(out)
    assert {row["path"] for row in rows} == {f"{label}/{n:03d}.png" for label in ("blue", "red") for n in range(6)}
    assert {row["path"].split("/")[0] for row in rows[:5]} == {"blue"}
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    for row in rows:
        probs = {row[f"class_{k}"]: float(row[f"prob_{k}"]) for k in (1, 2, 3)}
        assert sum(probs.values()) == pytest.approx(1, abs=1e-5)
        assert float(row["score"]) == pytest.approx(probs["blue"], abs=1e-6)
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == f"blue         {sum(score >= 0.5 for score in scores)} with a score of 0.5 or more, of 12 scored"
    assert second == "files        12 found = 12 scored + 0 failed + 0 skipped"
    assert _rows(out, "failures.csv") == []
    assert json.loads((out / "status.json").read_text())["state"] == "done"


def test_every_file_gets_a_row_whatever_it_is(
    trained: Path, make_folder: MakeFolder, tmp_path: Path, capsys: Capture
) -> None:
    folder, out = make_folder(3, "unknown"), tmp_path / "out"
    odd = folder / "deep" / os.fsdecode(b'odd "\n\xff,')
    odd.mkdir(parents=True)
    shutil.copy(folder / "blue" / "000.png", odd / os.fsdecode(b"good \xfe.png"))
    (odd / "notes.txt").write_text("no picture")
    (odd / "empty.jpg").touch()
    (odd / "dangling.jpg").symlink_to("nowhere")
    (odd / "half.png").write_bytes((folder / "red" / "000.png").read_bytes()[:60])
    os.mkfifo(odd / "pipe.jpg")
    (folder / "Thumbs.db").touch()
    assert _search(trained, folder, out, "--batch-size", "2") == 3
    prefix = 'deep/odd "\n\\udcff,/'
    assert f"{prefix}good \\udcfe.png" in {row["path"] for row in _rows(out)}
    unscored = {row["path"]: (row["status"], row["reason"]) for row in _rows(out, "failures.csv")}
    names = ("notes.txt", "empty.jpg", "dangling.jpg", "half.png", "pipe.jpg")
    assert set(unscored) == {"Thumbs.db", *(prefix + name for name in names)}
    assert unscored["Thumbs.db"] == ("skipped", "hidden file")
    assert unscored[f"{prefix}dangling.jpg"] == ("failed", "no such file")
    assert all(status == "failed" and reason for name, (status, reason) in unscored.items() if name != "Thumbs.db")
    out_text, err = capsys.readouterr()
    assert "files        13 found = 7 scored + 5 failed + 1 skipped" in out_text.splitlines()
    assert f"without      {out / 'failures.csv'}" in out_text.splitlines()
    assert err == ""


def test_the_same_command_says_the_same_and_asks_the_network_nothing(
    trained: Path, make_folder: MakeFolder, tmp_path: Path, capsys: Capture
) -> None:
    folder, out = make_folder(6, "unknown"), tmp_path / "out"
    (folder / "notes.txt").write_text("no picture")
    said, tables = [], []
    for _ in range(2):
        assert _search(trained, folder, out) == 3
        said.append(capsys.readouterr().out)
        tables.append([(out / name).read_bytes() for name in ("finds.csv", "failures.csv")])
    assert (said[0], tables[0]) == (said[1], tables[1])
    status = json.loads((out / "status.json").read_text())
    assert (status["unchanged"], status["scored"], status["failed"]) == (13, 0, 0)


def test_a_folder_to_write_inside_the_searched_one_is_not_searched(
    trained: Path, make_folder: MakeFolder, capsys: Capture
) -> None:
    folder = make_folder(2, "unknown")
    for _ in range(2):
        assert _search(trained, folder, folder / "finds", "--collect", str(folder / "best"), "--accept", "0") == 0
        assert "files        4 found = 4 scored" in capsys.readouterr().out
        assert len(list((folder / "best").iterdir())) == 4


def test_a_folder_to_write_around_the_searched_one_hides_nothing_of_it(
    trained: Path, make_folder: MakeFolder, tmp_path: Path
) -> None:
    assert _search(trained, make_folder(2, "unknown"), tmp_path) == 0
    assert len(_rows(tmp_path)) == 4


@pytest.mark.parametrize("where", ["unknown/**", "list.txt"])
def test_it_never_finds_what_it_writes_even_right_beside_what_it_searches(
    where: str, trained: Path, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    folder = make_folder(2, "unknown")
    monkeypatch.chdir(tmp_path)
    also = [word for form in ("jsonl", "megadetector", "parquet") for word in ("--also", form)]
    more = [*also, "--collect", "unknown/.", "--accept", "0", "--log-file", "unknown/log"]
    for _ in range(2):
        listed = sorted(str(path.relative_to(tmp_path)) for path in folder.rglob("*") if path.is_file())
        Path("list.txt").write_text("\n".join(listed))
        assert _search(trained, where, folder, *more) == 0
        assert "found = 4 scored + 0 failed" in capsys.readouterr().out
    written = {"finds.csv", "finds.html", "finds.jsonl", "finds.megadetector.json", "finds.parquet", "log"}
    assert written <= {path.name for path in folder.iterdir()}
    assert len(list(folder.glob("000*_*.png"))) == 4


def test_archives_are_searched_where_they_lie(trained: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(2, "unknown")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.write(folder / "blue" / "000.png", "inner/x.png")
    assert _search(trained, folder, tmp_path / "out") == 0
    scores = {row["path"]: row["score"] for row in _rows(tmp_path / "out")}
    assert len(scores) == 5
    assert scores["more.zip!inner/x.png"] == scores["blue/000.png"]


def test_a_list_can_come_from_standard_input(
    trained: Path, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(3, "unknown")
    (tmp_path / "list").write_text(f"{folder}/blue/001.png\n\nunknown/red/002.png\nunknown/absent.png\n")
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "list").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert _search(trained, "-", tmp_path / "out") == 3
    assert [row["path"] for row in _rows(tmp_path / "out")] == [f"{folder}/blue/001.png", "unknown/red/002.png"]
    assert [row["path"] for row in _rows(tmp_path / "out", "failures.csv")] == ["unknown/absent.png"]


def test_finds_are_collected_best_first_and_a_second_time_changes_nothing(
    trained: Path, make_folder: MakeFolder, tmp_path: Path, capsys: Capture
) -> None:
    folder, best = make_folder(4, "unknown"), tmp_path / "best"
    states = []
    for word in ("copied", "already there"):
        assert _search(trained, folder, tmp_path / "out", "--collect", str(best)) == 0
        finds = [row for row in _rows(tmp_path / "out") if float(row["score"]) >= 0.5]
        assert f"collected    {len(finds)} {word}, score 0.5 or more, in {best}" in capsys.readouterr().out
        states.append({file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in best.iterdir()})
    assert states[0] == states[1]
    assert len(finds) >= 3
    originals = {(folder / row["path"]).read_bytes() for row in finds}
    assert {data for data, _ in states[0].values()} == originals
    assert min(states[0]).startswith(f"0001_{float(finds[0]['score']):.3f}_")


@pytest.mark.parametrize("where", ["unknown/*/*.png", "list.txt"])
def test_finds_of_a_pattern_or_a_list_are_linked_and_can_be_clicked_on(
    where: str, trained: Path, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(2, "unknown")
    (tmp_path / "list.txt").write_text("unknown/blue/000.png\nunknown/blue/001.png\n")
    monkeypatch.chdir(tmp_path)
    assert _search(trained, where, tmp_path / "out", "--collect", "best", "--collect-by", "symlink") == 0
    links = {link.readlink() for link in (tmp_path / "best").iterdir()}
    assert links == {folder / "blue" / f"00{n}.png" for n in range(2)}
    assert f"file://{folder}/blue/000.png" in (tmp_path / "out" / "finds.html").read_text()


@pytest.mark.parametrize("accept", ["0.001", "0.95", "1"])
def test_the_accepted_score_says_what_a_find_is_wherever_finds_are_counted(
    accept: str, trained: Path, make_folder: MakeFolder, tmp_path: Path, capsys: Capture
) -> None:
    folder, out = make_folder(6, "unknown"), tmp_path / "out"
    for new in (True, False):
        assert _search(trained, folder, out, "--accept", accept) == 0
        expected = sum(float(row["score"]) >= float(accept) for row in _rows(out))
        assert f"{expected} with a score of {accept} or more, of 12 scored" in capsys.readouterr().out
        assert json.loads((out / "status.json").read_text())["finds"] == (expected if new else 0)
    (folder / _rows(out)[0]["path"]).unlink()
    assert _search(trained, folder, out, "--accept", "0") == 0
    assert "11 with a score of 0 or more, of 11 scored" in capsys.readouterr().out


def test_other_forms_are_written_on_request(trained: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    also = [word for form in ("jsonl", "megadetector", "parquet") for word in ("--also", form)]
    assert _search(trained, make_folder(3, "unknown"), out, *also) == 0
    paths = [row["path"] for row in _rows(out)]
    assert [json.loads(line)["path"] for line in (out / "finds.jsonl").read_text().splitlines()] == paths
    images = json.loads((out / "finds.megadetector.json").read_text())["images"]
    assert [image["file"] for image in images] == paths
    assert (out / "finds.parquet").read_bytes()[:4] == b"PAR1"


def test_the_page_names_the_best_find_and_shows_it(trained: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    assert _search(trained, make_folder(3, "unknown"), tmp_path / "out") == 0
    page = (tmp_path / "out" / "finds.html").read_text()
    best = _rows(tmp_path / "out")[0]["path"]
    (cards,) = re.findall(r'<script type="application/json" class="cards">(.*)</script>', page)
    assert (json.loads(cards)[0]["path"], json.loads(cards)[0]["rank"]) == (best, 1)
    assert "/9j/" in page  # a JPEG in base64


def test_several_targets_count_together_and_each_once(trained: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    folder, out = make_folder(2, "unknown", classes=("blue", "red", "green")), tmp_path / "out"
    more = ["--target", "RED", "--target", "blu"]
    assert _search(trained, folder, out, *more) == 0
    for row in _rows(out):
        probs = {row[f"class_{k}"]: float(row[f"prob_{k}"]) for k in (1, 2, 3)}
        assert float(row["score"]) == pytest.approx(probs["blue"] + probs["red"], abs=3e-6)
    assert "blue or red" in (out / "finds.html").read_text()


def test_another_target_ranks_anew_without_another_scan(trained: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    folder, out = make_folder(3, "unknown"), tmp_path / "out"
    assert _search(trained, folder, out) == 0
    assert main(["predict", str(trained), str(folder), "--target", "red", "--out", str(out)]) == 0
    assert _rows(out)[0]["path"].startswith("red/")
    assert json.loads((out / "status.json").read_text())["unchanged"] == 6


def test_what_has_gone_is_counted_but_not_where_the_folder_is_empty(
    trained: Path, make_folder: MakeFolder, tmp_path: Path, capsys: Capture
) -> None:
    folder, out = make_folder(3, "unknown"), tmp_path / "out"
    assert _search(trained, folder, out) == 0
    table = (out / "finds.csv").read_bytes()
    folder.rename(tmp_path / "away")
    folder.mkdir()
    assert _search(trained, folder, out) == 2
    assert "no files in it" in capsys.readouterr().err
    assert (out / "finds.csv").read_bytes() == table
    folder.rmdir()
    (tmp_path / "away").rename(folder)
    (folder / "blue" / "000.png").unlink()
    assert _search(trained, folder, out) == 0
    assert "files        5 found = 5 scored + 0 failed + 0 skipped; 1 gone" in capsys.readouterr().out


def test_another_model_says_that_the_scores_of_the_first_are_given_up(
    trained: Path, make_folder: MakeFolder, tmp_path: Path, capsys: Capture
) -> None:
    folder, out, other = make_folder(3, "unknown"), tmp_path / "out", tmp_path / "other"
    save_bundle(replace(load_model(trained), temperature=9.0), other)
    said = []
    for model in (trained, trained, other, other):
        assert _search(model, folder, out) == 0
        said.append("holds another model's scores" in capsys.readouterr().out)
    assert said == [False, False, True, False]
    assert max(float(row["score"]) for row in _rows(out)) < 0.9


PEAKS = """
import resource, sys
from bluebird.cli import main
model, *folders = sys.argv[1:]
for folder in folders:
    main(["predict", model, folder, "--target", "blue", "--out", folder + " finds", "--page-limit", "5"])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_folder(trained: Path, tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.effect_noise((16, 16), 60).save(picture, "PNG")
    for count in (300, 3000):
        (tmp_path / f"{count}").mkdir()
        for number in range(count):  # Pillow ignores what follows, but no two are copies
            (tmp_path / f"{count}" / f"{number}.png").write_bytes(picture.getvalue() + b"%d" % number)
    command = [sys.executable, "-c", PEAKS, str(trained), str(tmp_path / "300"), str(tmp_path / "3000")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    small, large = (int(line) for line in done.stdout.splitlines() if line.isdecimal())  # KiB on Linux
    assert len(_rows(tmp_path / "3000 finds")) == 3000
    assert large < small + 30_000


def test_real_strange_files_each_get_a_row(trained: Path, real_pictures: Path, tmp_path: Path) -> None:
    """Hostile on purpose, so in a process that may die."""
    odd = real_pictures / "odd"
    command = [sys.executable, "-m", "bluebird", "predict", str(trained), str(odd), "--target", "blue"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 3, done.stderr[-500:]
    assert done.stderr == ""  # not even the remarks of libpng and libtiff
    rows = [row["path"] for table in ("finds.csv", "failures.csv") for row in _rows(tmp_path, table)]
    assert len(set(rows)) == len(rows) > 1000
    files = {os.path.relpath(Path(at) / name, odd) for at, _, names in os.walk(odd) for name in names}
    opened = {row for row in rows if "!" in row or "#t=" in row}
    assert set(rows) - opened <= files
    assert {name for name in files if "." not in name.rpartition("/")[2][1:]} <= set(rows)
