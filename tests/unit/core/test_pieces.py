"""Work on several cores of this machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from trialforge.core.errors import WorkerError
from trialforge.core.pieces import map_as_completed, map_in_order


def square(number: int) -> int:
    time.sleep(0.01 * (number % 3 == 0))
    return number * number


def invert(number: int) -> float:
    return 1 / number


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def meet(folder: Path, number: int) -> bool:
    """Wait until the other one is there too."""
    (folder / str(number)).touch()
    end = time.monotonic() + 20
    while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    return len(list(folder.iterdir())) == 2


def test_results_come_in_order_and_only_a_few_pieces_are_taken_ahead() -> None:
    taken: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(30):
            taken.append(number)
            yield number

    results = map_in_order(square, pieces(), workers=2)
    assert next(results) == 0
    assert len(taken) <= 4
    assert list(results) == [number * number for number in range(1, 30)]


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


class Growing(Iterator[float]):
    """Pieces that a caller adds to while others are worked on."""

    def __init__(self, *pieces: float) -> None:
        self.left = [*pieces]

    def __next__(self) -> float:
        if not self.left:
            raise StopIteration
        return self.left.pop(0)


def test_pieces_that_follow_from_a_result_do_not_wait_for_the_slow_ones() -> None:
    pieces, order = Growing(3.0, 0.01), []
    for number, seconds in map_as_completed(nap, pieces, workers=2):
        order.append(number)
        if seconds < 1 and len(order) < 5:
            pieces.left.append(0.01)
    assert order == [1, 2, 3, 4, 5, 0]


def test_an_error_of_the_work_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_in_order(invert, [1, 0, 1], workers=2))


def test_two_pieces_are_worked_on_at_once(tmp_path: Path) -> None:
    assert list(map_in_order(partial(meet, tmp_path), range(2), workers=2)) == [True, True]


def test_a_single_piece_is_worked_on_here() -> None:
    assert list(map_in_order(lambda _: os.getpid(), [1])) == [os.getpid()]
    assert list(map_in_order(square, [])) == []


def test_a_killed_worker_is_an_error() -> None:
    with pytest.raises(WorkerError, match="worker process was killed"):
        list(map_in_order(die, range(3), workers=2))


def test_a_worker_cuts_its_piece_up_without_workers_of_its_own() -> None:
    own = list(map_in_order(find_processes, range(2), workers=2))
    assert own == [[True, True], [True, True]]


def find_processes(_: int) -> list[bool]:
    """Whether each of two pieces within a piece is worked on by the same process."""
    return [found == os.getpid() for found in map_in_order(name_process, range(2), workers=2)]


def name_process(_: int) -> int:
    return os.getpid()


def read_variable(name: str) -> str | None:
    return os.environ.get(name)


def test_workers_see_the_environment_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("first", "second"):
        monkeypatch.setenv("TRIALFORGE_A_TEST", value)
        assert list(map_in_order(read_variable, ["TRIALFORGE_A_TEST"] * 2, workers=2)) == [value, value]
    monkeypatch.delenv("TRIALFORGE_A_TEST")
    assert list(map_in_order(read_variable, ["TRIALFORGE_A_TEST"] * 2, workers=2)) == [None, None]


def count_rows(rows: int) -> int:
    return pl.DataFrame({"a": range(rows)}).lazy().filter(pl.col("a") % 2 == 0).collect().height


def test_workers_may_use_polars_that_is_in_use_here() -> None:
    assert count_rows(100) == 50
    for _ in range(5):
        assert list(map_in_order(count_rows, [100, 200, 300], workers=2)) == [50, 100, 150]


def test_what_had_finished_is_given_before_the_error() -> None:
    given: list[int] = []
    with pytest.raises(ZeroDivisionError):
        given.extend(number for number, _ in map_as_completed(invert, [1, 2, 0, 3], workers=1))
    assert given == [0, 1]
