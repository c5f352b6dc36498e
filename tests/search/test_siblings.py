from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluebird.search.siblings import Look, leaders

NOON = "2024-05-01T12:00:00"
LATER = {seconds: f"2024-05-01T12:00:0{seconds}" for seconds in range(10)}
GARBAGE = ("", "yesterday", "0000:00:00 00:00:00", "2024-13-01T00:00:00", "2024-05-01T25:00:00")


def bits(count: int, start: int = 0) -> int:
    return ((1 << count) - 1) << start


@pytest.mark.parametrize("differing", range(65))
def test_without_a_time_four_bits_of_difference_make_a_duplicate_and_five_do_not(differing: int) -> None:
    looks = [Look("a/1.jpg", 0), Look("b/2.jpg", bits(differing))]
    assert leaders(looks) == ([0, 0] if differing <= 4 else [0, 1])


@pytest.mark.parametrize("start", range(61))
def test_a_duplicate_is_seen_wherever_its_bits_differ(start: int) -> None:
    same = 0x0123456789ABCDEF
    assert leaders([Look("1.jpg", same), Look("2.jpg", same ^ bits(4, start))]) == [0, 0]


def test_a_hash_is_the_same_with_a_sign_or_without() -> None:
    assert leaders([Look("1.jpg", 2**64 - 1), Look("2.jpg", -1), Look("3.jpg", 0)]) == [0, 0, 2]


@pytest.mark.parametrize(
    ("other", "together"),
    [
        (Look("a/2.jpg", bits(20), LATER[2]), True),
        (Look("a/2.jpg", bits(20), "2024-05-01T11:59:58"), True),
        (Look("a/2.jpg", bits(20), "2024-05-01T12:00:01.500000"), True),
        (Look("a/2.jpg", bits(20), LATER[3]), False),
        (Look("a/2.jpg", bits(21), NOON), False),
        (Look("b/2.jpg", bits(20), NOON), False),
        (Look("a/b/2.jpg", bits(20), NOON), False),
        (Look("2.jpg", bits(20), NOON), False),
        (Look("a/2.jpg", bits(20), "2023-05-01T12:00:00"), False),
        (Look("a/2.jpg", bits(20), ""), False),
    ],
)
def test_a_burst_is_of_one_folder_within_two_seconds_and_looks_alike(other: Look, together: bool) -> None:
    assert leaders([Look("a/1.jpg", 0, NOON), other]) == ([0, 0] if together else [0, 1])


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_time_that_is_none_makes_no_burst_but_duplicates_are_seen(garbage: str) -> None:
    looks = [Look("1.jpg", 0, garbage), Look("2.jpg", bits(10), garbage), Look("3.jpg", bits(3), garbage)]
    assert leaders(looks) == [0, 1, 0]


def test_a_time_with_a_zone_counts_by_the_camera_s_clock() -> None:
    assert leaders([Look("1.jpg", 0, NOON), Look("2.jpg", bits(9), NOON + "+02:00")]) == [0, 0]


def test_a_chain_of_small_steps_is_cut_where_it_has_left_its_leader() -> None:
    chain = [Look(f"{step}.jpg", bits(3 * step)) for step in range(5)]  # 3 bits from one to the next
    assert leaders(chain) == [0, 0, 2, 2, 4]


def test_the_best_of_two_leaders_that_are_near_is_taken() -> None:
    assert leaders([Look("1.jpg", 0), Look("2.jpg", bits(8)), Look("3.jpg", bits(4))]) == [0, 1, 0]


def test_nothing_has_no_leaders() -> None:
    assert leaders([]) == []


def planted(seed: int, count: int) -> list[Look]:
    """Random looks, every second one near to an earlier one, in few folders and seconds."""
    rng = random.Random(seed)
    looks: list[Look] = []
    for number in range(count):
        dhash = rng.getrandbits(64)
        if looks and rng.random() < 0.5:
            dhash = rng.choice(looks).dhash
            for bit in rng.sample(range(64), rng.choice([0, 1, 3, 4, 5, 6, 12, 19, 20, 21])):
                dhash ^= 1 << bit
        taken = rng.choice([*GARBAGE, *LATER.values()])
        looks.append(Look(f"{rng.choice('abc')}/{number}.jpg", dhash - 2**64 * (dhash >> 63), taken))
    return looks


def slowly(looks: list[Look]) -> list[int]:
    """Every picture against every leader before it, as the rule reads."""
    led: list[int] = []
    for number, look in enumerate(looks):
        before = [n for n in range(number) if led[n] == n and _are_siblings(looks[n], look)]
        led.append(before[0] if before else number)
    return led


def _are_siblings(one: Look, other: Look) -> bool:
    differing = bin((one.dhash ^ other.dhash) & (2**64 - 1)).count("1")
    valid = one.taken in LATER.values() and other.taken in LATER.values()
    near = valid and one.name[0] == other.name[0] and abs(int(one.taken[-1]) - int(other.taken[-1])) <= 2
    return differing <= 4 or (near and differing <= 20)


@given(st.integers(0, 2**32), st.integers(0, 60))
def test_they_are_those_of_every_pair_compared(seed: int, count: int) -> None:
    looks = planted(seed, count)
    assert leaders(looks) == slowly(looks)


def test_a_thousand_are_those_of_every_pair_compared() -> None:
    looks = planted(1, 1000)
    led = leaders(looks)
    assert led == slowly(looks)
    assert 100 < len(set(led)) < 900


def test_what_comes_behind_changes_nothing_before_it() -> None:
    looks = planted(2, 400)
    assert leaders(looks)[:250] == leaders(looks[:250])
