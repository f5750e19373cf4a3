"""Work in order on several cores."""

from __future__ import annotations

import threading
import time

import pytest

from trialforge.corpus.pool import map_in_order


def test_results_come_in_order_whoever_is_done_first() -> None:
    def work(number: int) -> int:
        time.sleep(0.01 * (number % 3 == 0))
        return number * number

    assert list(map_in_order(work, range(20), workers=4)) == [number * number for number in range(20)]


def test_only_a_few_pieces_are_taken_ahead() -> None:
    taken: list[int] = []

    def pieces() -> object:
        for number in range(50):
            taken.append(number)
            yield number

    results = map_in_order(lambda piece: piece, pieces(), workers=2)  # type: ignore[arg-type]
    next(results)
    assert len(taken) <= 4


def test_an_error_of_the_work_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_in_order(lambda number: 1 // number, [1, 0, 1], workers=2))


def test_two_pieces_are_worked_on_at_once() -> None:
    both = threading.Barrier(2, timeout=10)
    assert len(list(map_in_order(lambda _: both.wait(), range(2), workers=2))) == 2
