from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from bluebird.search.streams import in_streams


def _nothing() -> None:
    pass


@pytest.mark.parametrize("streams", [1, 2, 5])
def test_results_come_once_and_in_order(streams: int) -> None:
    waits = [threading.Event() for _ in range(20)]

    def work(number: int) -> int:
        if number % 2 == 0 and streams > 1:
            waits[number + 1].wait(5)  # done only after the one behind it
        waits[number].set()
        return 10 * number

    assert list(in_streams(work, range(20), streams, _nothing)) == [10 * number for number in range(20)]


def test_no_more_is_asked_for_than_one_beyond_the_threads() -> None:
    asked: list[int] = []
    allowed = [threading.Event() for _ in range(50)]

    def items() -> Iterator[int]:
        for number in range(50):
            asked.append(number)
            yield number

    def work(number: int) -> bool:
        return allowed[number].wait(30)

    results = in_streams(work, items(), 2, _nothing)
    taken: list[bool] = []
    taking = threading.Thread(target=lambda: taken.extend(islice(results, 3)))
    taking.start()
    _until(lambda: len(asked) >= 3)
    taking.join(0.2)  # time in which it might ask for more
    assert len(asked) == 3
    for event in allowed[:3]:  # these and no others: whoever works on the fourth waits
        event.set()
    taking.join(60)
    assert taken == [True] * 3
    assert len(asked) <= 6
    for event in allowed:
        event.set()
    assert list(results) == [True] * 47


def _until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.001)


def test_as_many_threads_work_at_once_as_there_are_streams() -> None:
    together = threading.Barrier(3, timeout=5)
    list(in_streams(lambda _: together.wait(), range(6), 3, _nothing))  # breaks unless three arrive


def test_each_thread_enters_once_and_items_are_taken_by_the_caller() -> None:
    entered: list[int] = []
    takers: set[int] = set()
    workers: set[int] = set()

    def items() -> Iterator[int]:
        for number in range(30):
            takers.add(threading.get_ident())
            yield number

    def work(_: int) -> None:
        workers.add(threading.get_ident())

    list(in_streams(work, items(), 2, lambda: entered.append(threading.get_ident())))
    assert takers == {threading.get_ident()}
    assert workers <= set(entered)
    assert len(entered) == len(set(entered)) <= 2


def test_what_work_raises_comes_at_its_turn() -> None:
    def work(number: int) -> int:
        return 1 // (3 - number)

    results = in_streams(work, range(10), 2, _nothing)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_the_interpreter_changes_hands_as_before_when_it_is_over() -> None:
    before = sys.getswitchinterval()
    assert list(in_streams(lambda _: sys.getswitchinterval(), [0], 1, _nothing)) == [pytest.approx(0.0005)]
    assert sys.getswitchinterval() == before
