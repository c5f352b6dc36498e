from __future__ import annotations

import importlib
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bluebird.search.names import printable
from bluebird.search.rank import rank
from bluebird.search.results import Find
from bluebird.search.row import Row
from tests.search.ledgers import CLASSES, ask, failed, found, open_ledger, scored, skipped

MODULE = importlib.import_module("bluebird.search.rank")  # its name leads to the function
NAMES = ["b.jpg", "B.jpg", "a/b.jpg", "a.jpg", "a/ä.jpg", "a/z.jpg", "m\udcf6we.jpg", "10.jpg", "9.jpg", "鳥.jpg"]


def unlike(count: int, seed: int = 0) -> list[int]:
    """Hashes so far from one another that none are siblings."""
    rng = random.Random(seed)
    return [rng.getrandbits(64) - 2**63 for _ in range(count)]


def drawn(count: int, seed: int = 0) -> list[Row]:
    """Pictures of all scores, in no order, many of them equal, one in five a duplicate of another."""
    rng, hashes = random.Random(seed), unlike(count, seed)
    names = [f"{rng.choice('ab')}/{number}.jpg" for number in rng.sample(range(10_000), count)]
    probs = [np.array([rng.randrange(9), rng.randrange(9), 1]) / 17 for _ in names]
    return [
        scored(name, shares.tolist(), dhash=rng.choice([own, own, own, own, hashes[0]]))
        for name, shares, own in zip(names, probs, hashes, strict=True)
    ]


def ranked(folder: Path, rows: Sequence[Row], *target: str) -> list[Find]:
    with open_ledger(folder) as ledger:
        ledger.record(rows)
        return list(rank(ledger, target or ("bluebird",)).finds())


def shares(row: Row) -> list[float]:
    assert row.probs is not None
    return np.frombuffer(row.probs, "<f4").tolist()


def by_score(rows: Sequence[Row], *columns: int) -> list[tuple[str, float]]:
    """Best first, equal scores by the bytes of the path."""
    scores = {row.name: float(sum(np.float32(shares(row)[column]) for column in columns)) for row in rows}
    return sorted(scores.items(), key=lambda pair: (-pair[1], printable(pair[0]).encode()))


def in_families(rows: Sequence[Row], *columns: int) -> list[tuple[int, str, str]]:
    """Rank, name and leader, where only pictures of the very same hash are siblings."""
    hashes = {row.name: row.dhash for row in rows}
    families: dict[int, list[str]] = {}
    for name, _ in by_score(rows, *columns):
        families.setdefault(hashes[name], []).append(name)
    return [
        (place, name, "" if name == family[0] else family[0])
        for place, family in enumerate(families.values(), 1)
        for name in family
    ]


def places(finds: Sequence[Find]) -> list[tuple[int, str, str]]:
    return [(find.rank, find.name, find.leader) for find in finds]


@pytest.mark.parametrize(
    ("target", "columns"),
    [
        (("bluebird",), (0,)),
        (("robin",), (2,)),
        (("bluebird", "blue jay"), (0, 1)),
        (("blue jay", "bluebird", "blue jay"), (0, 1)),
    ],
    ids=str,
)
def test_the_best_stand_first_and_siblings_behind_their_leader(
    tmp_path: Path, target: tuple[str, ...], columns: tuple[int, ...]
) -> None:
    rows = drawn(300)
    finds = ranked(tmp_path, rows, *target)
    assert places(finds) == in_families(rows, *columns)
    assert {find.name: find.score for find in finds} == dict(by_score(rows, *columns))
    assert sum(find.leader != "" for find in finds) > 30


def test_equal_scores_stand_in_order_of_paths_whatever_order_they_came_in(tmp_path: Path) -> None:
    rows = [scored(name, dhash=dhash) for name, dhash in zip(NAMES, unlike(len(NAMES)), strict=True)]
    for number in range(4):
        random.Random(number).shuffle(rows)
        finds = ranked(tmp_path / str(number), rows)
        assert [find.name for find in finds] == sorted(NAMES, key=lambda name: printable(name).encode())
        assert [find.rank for find in finds] == list(range(1, len(NAMES) + 1))


def test_siblings_share_the_rank_of_their_leader_and_the_next_rank_follows(tmp_path: Path) -> None:
    one, other = unlike(2)
    finds = ranked(
        tmp_path,
        [
            scored("best.jpg", (0.9, 0.1, 0), dhash=one),
            scored("good.jpg", (0.8, 0.2, 0), dhash=other),
            scored("copy.jpg", (0.7, 0.3, 0), dhash=one ^ 1),
            scored("a/first.jpg", (0.6, 0.4, 0), dhash=other ^ 0xFF, taken="2024-05-01T06:30:00"),
            scored("a/second.jpg", (0.5, 0.5, 0), dhash=other ^ 0xFFFF, taken="2024-05-01T06:30:02"),
        ],
    )
    assert places(finds) == [
        (1, "best.jpg", ""),
        (1, "copy.jpg", "best.jpg"),
        (2, "good.jpg", ""),
        (3, "a/first.jpg", ""),
        (3, "a/second.jpg", "a/first.jpg"),
    ]


def test_a_find_tells_what_the_row_holds_with_its_sides_upright(tmp_path: Path) -> None:
    turns = list(zip(range(1, 9), unlike(8), strict=True))
    rows = [
        scored(f"{turn}.jpg", (0.5, 0.3, 0.2), width=40, height=30, orientation=turn, dhash=dhash, taken=f"then {turn}")
        for turn, dhash in turns
    ]
    for find, (turn, _) in zip(ranked(tmp_path, rows), turns, strict=True):
        assert (find.name, find.taken, find.novelty) == (f"{turn}.jpg", f"then {turn}", 0.25)
        assert (find.width, find.height) == ((40, 30) if turn < 5 else (30, 40))
        assert find.probs == np.array([0.5, 0.3, 0.2], np.float32).tolist()
        assert type(find.score) is float


def test_what_failed_or_has_gone_or_is_of_another_model_never_appears(tmp_path: Path) -> None:
    files = [found(f"{number}.jpg") for number in range(4)]
    hashes = unlike(4)
    with open_ledger(tmp_path, model="old") as ledger:
        ledger.record([scored(file, dhash=dhash) for file, dhash in zip(files, hashes, strict=True)])
        ledger.record([scored("gone.jpg", dhash=1)])
    with open_ledger(tmp_path) as ledger:
        ledger.record([scored(files[0], dhash=hashes[0]), failed(files[1]), skipped(found("2.jpg", skipped="hidden"))])
        ledger.record([scored("going.jpg", (1, 0, 0), dhash=hashes[0])])
        ledger.finish()
    with open_ledger(tmp_path) as ledger:
        ledger.unchanged([files[0], files[1], found("2.jpg", skipped="hidden")])
        ledger.finish()
        results = rank(ledger, ["bluebird"])
        assert places(list(results.finds())) == [(1, "0.jpg", "")]
        assert [failure.name for failure in results.failures()] == ["1.jpg", "2.jpg"]
        assert (results.scored, results.failed, results.skipped) == (1, 1, 1)
        assert (results.root, results.target, results.model) == ("/photos", ("bluebird",), "first")
        assert results.classes == CLASSES


def test_in_a_run_that_is_not_at_its_end_only_what_this_model_scored_is_ranked(tmp_path: Path) -> None:
    one, other = unlike(2)
    with open_ledger(tmp_path, model="old") as ledger:
        ledger.record([scored("1.jpg", (1, 0, 0), dhash=one), scored("2.jpg", dhash=other)])
    assert places(ranked(tmp_path, [scored("2.jpg", dhash=other)])) == [(1, "2.jpg", "")]


def test_an_empty_ledger_has_no_finds(tmp_path: Path) -> None:
    assert ranked(tmp_path, []) == []
    assert ranked(tmp_path, [failed("1.jpg")]) == []


@pytest.mark.parametrize("grouped", [0, 1, 40, 199, 200, 1000])
@pytest.mark.parametrize("fetched", [1, 7, 500])
def test_behind_the_grouped_each_stands_alone_and_ranks_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grouped: int, fetched: int
) -> None:
    monkeypatch.setattr(MODULE, "GROUPED", grouped)
    monkeypatch.setattr(MODULE, "_FETCHED", fetched)
    rows = drawn(200, seed=1)
    best = [name for name, _ in by_score(rows, 0)]
    together = in_families([row for row in rows if row.name in best[:grouped]], 0)
    last = max((place for place, _, _ in together), default=0)
    alone = [(place, name, "") for place, name in enumerate(best[grouped:], last + 1)]
    assert places(ranked(tmp_path, rows)) == together + alone


def test_finds_and_failures_can_be_gone_through_again_and_beside_each_other(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.record([*drawn(100), failed("1.jpg"), failed("2.jpg")])
        results = rank(ledger, ["bluebird"])
        once = list(results.finds())
        assert list(results.finds()) == once
        assert [pair[0] for pair in zip(results.finds(), results.finds(), strict=True)] == once
        assert list(results.failures()) == list(results.failures())


def test_another_target_reranks_and_the_file_holds_its_scores_too(tmp_path: Path) -> None:
    rows = drawn(250)
    with open_ledger(tmp_path) as ledger:
        ledger.record(rows)
        for target, columns in ((["robin"], [2]), (["bluebird", "blue jay"], [0, 1]), (["bluebird"], [0])):
            finds = list(rank(ledger, target).finds())
            assert places(finds) == in_families(rows, *columns)
            in_file = dict(ask(tmp_path, "SELECT path, score FROM finds"))
            assert in_file == {find.name: find.score for find in finds} == dict(by_score(rows, *columns))
