from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.llm.asking import answer, ask
from trialforge.core.errors import GenerationError
from trialforge.llm.backend import Completion, Request
from trialforge.llm.pool import Work, answer_all, group_requests

LONG = "An exemplar that is shown to several targets. " * 5


def prompts(*sizes: int) -> list[str]:
    """Groups of so many prompts."""
    return [f"{group} " * 50 + str(number) for group, size in enumerate(sizes) for number in range(size)]


def test_neighbours_with_a_shared_start_form_a_group() -> None:
    texts = [LONG + "one", LONG + "two", "Quite another prompt. " * 10, LONG + "one"]
    assert group_requests(texts) == [[0, 1], [2], [3]]


def test_a_group_stays_with_its_worker_in_order() -> None:
    work = Work(prompts(2, 2), ["", ""])
    assert [work.next(worker) for worker in (0, 1, 1, 0)] == [0, 2, 3, 1]


def test_what_is_asked_again_goes_to_the_worker_that_has_read_it() -> None:
    held = ["", "", ""]
    first = Work(prompts(2, 2), held)
    assert [first.next(worker) for worker in (2, 0, 2, 0)] == [0, 2, 1, 3]
    again = Work([prompts(2, 2)[3], prompts(2, 2)[1], "a new prompt"], held)
    assert [again.next(worker) for worker in (1, 0, 2)] == [2, 0, 1]
    assert [again.next(worker) for worker in range(3)] == [None] * 3


def test_an_idle_worker_takes_half_of_a_long_group() -> None:
    work = Work(prompts(9), ["", ""])
    assert work.next(0) == 0
    assert [work.next(1) for _ in range(4)] == [5, 6, 7, 8]
    assert [work.next(0) for _ in range(4)] == [1, 2, 3, 4]
    assert work.next(0) is None
    assert work.next(1) is None


def test_a_single_call_that_waits_is_not_taken_from_its_worker() -> None:
    work = Work(prompts(2), ["", ""])
    assert [work.next(0), work.next(1), work.next(0)] == [0, None, 1]


@given(st.lists(st.integers(1, 6), max_size=8), st.integers(1, 5), st.randoms())
def test_each_request_is_taken_once(sizes: list[int], workers: int, chance: object) -> None:
    work, taken = Work(prompts(*sizes), [""] * workers), []
    for worker in (chance.randrange(workers) for _ in range(20)):  # type: ignore[attr-defined]
        taken.append(work.next(worker))
    for worker in range(workers):
        taken.extend(iter(lambda worker=worker: work.next(worker), None))
    taken = [index for index in taken if index is not None]
    assert sorted(taken) == list(range(sum(sizes)))


def test_all_answers_come_with_their_index() -> None:
    def worker(request: Request, _stop: threading.Event) -> Completion:
        return answer(str(request.seed))

    got = dict(answer_all([ask(seed=seed) for seed in range(9)], [worker] * 3, [""] * 3))
    assert {index: completion.text for index, completion in got.items()} == {n: str(n) for n in range(9)}


def test_what_follows_from_an_answer_is_asked_at_once_by_the_same_worker() -> None:
    """A slow call holds nobody up: the other worker asks what follows from its own answers meanwhile."""
    asked_by: list[list[str]] = [[], []]
    done = threading.Event()
    requests = [ask(f"Slow. {LONG}", seed=0), ask(f"Quick. {LONG} 0", seed=1)]

    def worker(number: int) -> Callable[[Request, threading.Event], Completion]:
        def call(request: Request, _stop: threading.Event) -> Completion:
            text = request.messages[-1].content
            asked_by[number].append(text)
            if text.startswith("Slow."):
                assert done.wait(20)
            return answer(text)

        return call

    order = []
    for index, completion in answer_all(requests, [worker(0), worker(1)], [""] * 2):
        order.append(index)
        if completion.text.startswith("Quick.") and len(requests) < 6:
            requests.append(ask(f"Quick. {LONG} {len(requests)}", seed=1))
        elif completion.text.startswith("Quick."):
            done.set()
    assert order == [1, 2, 3, 4, 5, 0]
    assert sorted(map(len, asked_by)) == [1, 5]


def test_what_began_alike_goes_on_alike() -> None:
    """A slot that has read what two drafts share reads what their next parts share once too."""
    work = Work(prompts(2, 2), ["", ""])
    order = []
    for _ in range(4):
        index = work.wait_for_next(0)
        order.append(index)
        work.follow(0, ["The next part. " * 9 + str(index)] if index in (0, 1) else [])
    assert order == [0, 1, 4, 5]


def test_what_is_asked_again_comes_before_what_waits() -> None:
    work = Work(prompts(2), [""])
    assert work.wait_for_next(0) == 0
    work.follow(0, ["another prompt", prompts(3)[2], prompts(4)[3]])
    assert [work.next(0) for _ in range(5)] == [3, 4, 1, 2, None]


def test_a_worker_without_work_takes_half_of_what_follows_elsewhere() -> None:
    work = Work(prompts(1), ["", ""])
    assert work.wait_for_next(0) == 0
    assert work.next(1) is None
    work.follow(0, ["one prompt", "another prompt"])
    assert [work.wait_for_next(1), work.wait_for_next(0)] == [2, 1]
    work.close()
    assert work.wait_for_next(0) is None


def test_what_was_paid_for_is_handed_out_before_a_schema_is_refused() -> None:
    both = threading.Barrier(2, timeout=20)

    def worker(request: Request, _stop: threading.Event) -> Completion:
        both.wait()
        return answer(str(request.seed))

    requests, paid = [ask("a" * 50, seed=0), ask("b" * 50, seed=1)], []

    def take() -> None:
        for index, _ in answer_all(requests, [worker] * 2, [""] * 2):
            paid.append(index)
            requests.append(ask(schema={"type": "string", "pattern": "x"}))
            time.sleep(0.2)

    with pytest.raises(GenerationError, match="schema"):
        take()
    assert sorted(paid) == [0, 1]


def test_an_error_is_raised_and_stops_running_calls() -> None:
    stopped = threading.Event()

    def worker(request: Request, stop: threading.Event) -> Completion:
        if request.seed == 0:
            time.sleep(0.05)
            raise GenerationError("broken")
        if stop.wait(10):
            stopped.set()
        return answer("late")

    with pytest.raises(GenerationError, match="broken"):
        list(answer_all([ask("a" * 50, seed=0), ask("b" * 50, seed=1)], [worker] * 2, [""] * 2))
    assert stopped.is_set()


def worker_that_ends(how: Callable[[], None]) -> Callable[[Request, threading.Event], Completion]:
    """Call 0 ends the run, and call 1 finishes all the same."""

    def worker(request: Request, stop: threading.Event) -> Completion:
        if request.seed == 0:
            how()
        stop.wait(10)
        return answer("finished")

    return worker


def fail() -> None:
    raise GenerationError("broken")


def press_ctrl_c() -> None:
    pl.LazyFrame().collect()  # its handler of the signal lets a wait without an end go on
    time.sleep(0.2)  # until the answers are waited for
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.parametrize(("how", "error"), [(fail, GenerationError), (press_ctrl_c, KeyboardInterrupt)])
def test_what_finished_before_the_end_is_handed_out(
    how: Callable[[], None], error: type[BaseException]
) -> None:
    finished: list[int] = []
    requests = [ask("a" * 50, seed=0), ask("b" * 50, seed=1)]
    with pytest.raises(error):
        finished.extend(index for index, _ in answer_all(requests, [worker_that_ends(how)] * 2, [""] * 2))
    assert 1 in finished


def test_leaving_early_stops_running_calls() -> None:
    stopped = threading.Event()

    def worker(request: Request, stop: threading.Event) -> Completion:
        if request.seed == 1 and stop.wait(10):
            stopped.set()
        return answer("x")

    answers = answer_all([ask("a" * 90, seed=0), ask("b" * 90, seed=1)], [worker] * 2, [""] * 2)
    next(answers)
    answers.close()
    assert stopped.is_set()
