"""What `bluebird estimate` will not count: labels of something else, a search that is no more, files that are none."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bluebird.cli import main
from tests.cli.estimates import Capture, estimate, fill, labelled, refusal, rows, search
from tests.conftest import write_folder

HOSTILE = ('"; </script><b>\n=1+1,\r.png', "a\u2028b\udcff\\udc41.png", "'&amp;${1}<!-- cards -->.png")


def searched_in(base: Path, model: Path) -> Path:
    """A finished search with a sample drawn from it, labelled."""
    assert search(model, write_folder(base / "where", 5, ("blue", "red")), base / "out") == 0
    assert estimate(base / "out", "--draw", "--top", "3", "--sample", "4") == 0
    fill(base / "out")
    return base / "out"


@pytest.fixture(scope="module")
def searched(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return searched_in(tmp_path_factory.mktemp("searched"), trained)


@pytest.fixture
def out(searched: Path, tmp_path: Path, capsys: Capture) -> Path:
    """What a labelled search left, to do anything with."""
    capsys.readouterr()
    return Path(shutil.copytree(searched, tmp_path / "out"))


@pytest.fixture
def living(trained: Path, tmp_path: Path, capsys: Capture) -> Path:
    """The same with what was searched beside it, in `where`."""
    out = searched_in(tmp_path, trained)
    capsys.readouterr()
    return out


def change(table: Path, old: str, new: str) -> None:
    text = table.read_text(encoding="utf-8")
    assert old in text
    table.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",yes", ",perhaps", "sample.csv', line 2: shows is 'perhaps'; expected yes, no or nothing"),
        (",shows", ",seen", "sample.csv', line 1: expected the columns part, path, score, shows"),
        ("blue/", "green/", "not the pictures of the sample that was drawn"),
    ],
)
def test_a_table_that_says_something_else_is_refused(out: Path, capsys: Capture, old: str, new: str, said: str) -> None:
    change(out / "sample.csv", old, new)
    assert said in refusal(capsys, labelled(out))


def test_a_line_that_is_missing_or_stands_there_twice_is_refused(out: Path, capsys: Capture) -> None:
    table = out / "sample.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]))
    assert "not the pictures of the sample" in refusal(capsys, labelled(out))
    table.write_text("\n".join([*lines[:-1], lines[-1][:2]]))  # cut within its first column
    assert f"line {len(lines)}: no path; is the line whole?" in refusal(capsys, labelled(out))
    table.write_text("\n".join([*lines, lines[3]]))
    assert f"line 9: {lines[3].split(',')[1]!r} stands there twice" in refusal(capsys, labelled(out))


@pytest.mark.parametrize("content", [b"part,path,score,shows\r\nbest,\xff,1,yes\r\n", b"", b"\0\n", b'path,shows\n"a'])
def test_a_file_that_is_no_table_is_refused(out: Path, capsys: Capture, content: bytes) -> None:
    (out / "sample.csv").write_bytes(content)
    assert "sample.csv" in refusal(capsys, labelled(out))


def test_labels_without_a_draw_or_without_a_file_are_refused(out: Path, capsys: Capture) -> None:
    assert "absent.csv': the labels cannot be read" in refusal(capsys, estimate(out, "--labels", "absent.csv"))
    for damaged in ("[]", "{", '{"format": "bluebird-sample-1"}'):
        (out / "sample.json").write_text(damaged)
        assert "sample.json': not the plan of a sample" in refusal(capsys, labelled(out))
    (out / "sample.json").unlink()
    assert "draw a sample first" in refusal(capsys, labelled(out))


def test_labels_of_an_earlier_draw_are_refused(out: Path, capsys: Capture) -> None:
    old = Path(shutil.move(out / "sample.csv", out / "old.csv"))
    assert estimate(out, "--draw", "--top", "3", "--sample", "4", "--seed", "5") == 0
    capsys.readouterr()
    assert "not the pictures of the sample" in refusal(capsys, estimate(out, "--labels", str(old)))


def test_a_search_that_has_changed_since_is_refused_until_it_is_as_it_was(
    trained: Path, living: Path, capsys: Capture
) -> None:
    out, where = living, living.parent / "where"
    shutil.copy(where / "red" / "000.png", where / "new.png")
    assert search(trained, where, out) == 0
    capsys.readouterr()
    assert "(10 pictures then, 11 now); draw again" in refusal(capsys, labelled(out))
    (where / "new.png").unlink()
    assert search(trained, where, out) == 0
    assert labelled(out) == 0


def test_another_target_is_another_search(trained: Path, living: Path, capsys: Capture) -> None:
    out, where = living, living.parent / "where"
    assert search(trained, where, out, "--target", "red") == 0
    capsys.readouterr()
    assert "no longer those that the sample was drawn from" in refusal(capsys, labelled(out))
    assert estimate(out, "--model", str(trained)) == 0
    assert capsys.readouterr().out.startswith("blue or red  10 ")


def test_only_scored_pictures_that_are_there_count_and_the_others_are_told(
    trained: Path, living: Path, capsys: Capture
) -> None:
    out, where = living, living.parent / "where"
    (where / "red" / "000.png").unlink()
    (where / "blue" / "000.png").write_text("no picture")
    (where / "notes.txt").write_text("no picture")
    (where / ".hidden.png").touch()
    assert search(trained, where, out) == 3
    for way in (["--model", str(trained)], ["--draw", "--top", "2", "--sample", "6"]):
        (out / "sample.csv").unlink(missing_ok=True)
        assert estimate(out, *way) == 0
        said = capsys.readouterr().out
        assert "not in it    files without a score: 2 failed, 1 skipped\n" in said
        assert "still to go through" not in said
    assert {row["path"] for row in rows(out / "sample.csv")} == {
        f"{colour}/00{n}.png" for colour in ("blue", "red") for n in range(1, 5)
    }
    (out / "status.json").write_text('{"state": "interrupted"}')
    assert estimate(out, "--model", str(trained)) == 0
    assert "what the search has still to go through" in capsys.readouterr().out


def test_more_than_there_are_is_refused(out: Path, capsys: Capture) -> None:
    (out / "sample.csv").unlink()
    assert "--top 8 --sample 3: more than the 10 pictures" in refusal(
        capsys, estimate(out, "--draw", "--top", "8", "--sample", "3")
    )
    assert not (out / "sample.csv").exists()


@pytest.mark.parametrize(
    ("asked", "parts"),
    [([], (10, 0)), (["--top", "4"], (4, 6)), (["--sample", "7"], (3, 7)), (["--sample", "2", "--top", "5"], (5, 2))],
)
def test_of_few_pictures_it_takes_what_there_is(out: Path, asked: list[str], parts: tuple[int, int]) -> None:
    (out / "sample.csv").unlink()
    assert estimate(out, "--draw", *asked) == 0
    drawn = [row["part"] for row in rows(out / "sample.csv")]
    assert (drawn.count("best"), drawn.count("rest")) == parts


@pytest.mark.parametrize("content", [None, b"", b"no ledger at all, but longer than a header of SQLite" * 9, "sqlite"])
def test_what_is_no_ledger_is_refused(tmp_path: Path, capsys: Capture, content: bytes | str | None) -> None:
    path = tmp_path / "finds.sqlite"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        with closing(sqlite3.connect(path)) as foreign:
            foreign.execute("CREATE TABLE pictures (id)")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert str(path) in refusal(capsys, estimate(tmp_path, "--draw"))
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_search_without_a_scored_picture_is_refused(trained: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "where").mkdir()
    (tmp_path / "where" / "broken.png").write_text("no picture")
    assert search(trained, tmp_path / "where", tmp_path / "out") == 3
    capsys.readouterr()
    assert "no picture has a score yet" in refusal(capsys, estimate(tmp_path / "out", "--draw"))


def test_a_model_that_keeps_no_held_out_pictures_says_what_to_do(
    trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    where = write_folder(tmp_path / "where", 5, ("blue", "red"))
    checkpoint = next((trained / "checkpoints").glob("*.ckpt"))
    assert search(checkpoint, where, tmp_path / "odd 'out") == 0
    capsys.readouterr()
    line = refusal(capsys, estimate(tmp_path / "odd 'out", "--model", str(checkpoint)))
    assert "keeps nothing of its val split" in line
    assert f"""bluebird estimate '{tmp_path}/odd '"'"'out' --draw""" in line


@pytest.mark.parametrize("ways", [[], ["--draw", "--model", "m"], ["--draw", "--labels", "x"]])
def test_one_way_at_a_time(tmp_path: Path, capsys: Capture, ways: list[str]) -> None:
    assert "bluebird estimate --help" in refusal(capsys, estimate(tmp_path, *ways))


def test_any_file_name_can_be_drawn_and_labelled(trained: Path, tmp_path: Path, capsys: Capture) -> None:
    where = write_folder(tmp_path / "where", 5, ("blue", "red"))
    for name in HOSTILE:
        (where / name).parent.mkdir(exist_ok=True)
        shutil.copy(where / "blue" / "000.png", where / name)
    assert search(trained, where, tmp_path / "out") == 0
    assert estimate(tmp_path / "out", "--draw", "--top", "6", "--sample", "7") == 0
    fill(tmp_path / "out", lambda part, path: "no" if path.startswith("red/") else "yes")
    capsys.readouterr()
    assert labelled(tmp_path / "out") == 0
    assert capsys.readouterr().out.startswith("blue         8 (95 %: 8 to 8) of 13 pictures")
    page = (tmp_path / "out" / "sample.html").read_text(encoding="utf-8")
    assert page.count("</script>") == 2
    assert page.count("data:image/jpeg") == 13


def test_pictures_that_have_gone_from_their_place_are_shown_by_name(living: Path) -> None:
    out, where = living, living.parent / "where"
    (out / "sample.csv").unlink()
    (where / "blue" / "001.png").unlink()
    assert main(["estimate", str(out), "--draw", "--top", "3", "--sample", "7"]) == 0
    page = (out / "sample.html").read_text(encoding="utf-8")
    assert "no preview of <bdi>blue/001.png</bdi>" in page
    assert page.count("data:image/jpeg") == 9
