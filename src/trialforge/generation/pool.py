"""Many calls in flight: requests that share the start of their prompt stay with one worker, in order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence

from trialforge.generation.backend import Completion, Request

Answer = Callable[[Request, threading.Event], Completion]
Outcome = tuple[int, Completion | BaseException]
LEAST_SPLIT = 4  # calls: for fewer, reading the shared start a second time costs more than it saves
SHARED = 0.5  # of the shorter prompt, for two to belong to one group


def prompt_text(request: Request) -> str:
    """Return a prompt as one text, to compare starts."""
    return "\x1e".join(f"{message.role}\x1f{message.content}" for message in request.messages)


def count_shared(one: str, other: str) -> int:
    """Return the number of characters that two texts have in common at their start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def group_requests(requests: Sequence[Request]) -> list[list[int]]:
    """Return the indices in runs of neighbours that share at least half of their prompt's start."""
    groups: list[list[int]] = []
    before = ""
    for index, request in enumerate(requests):
        text = prompt_text(request)
        shared = count_shared(before, text)
        if groups and shared >= SHARED * min(len(before), len(text)):
            groups[-1].append(index)
        else:
            groups.append([index])
        before = text
    return groups


class Work:
    """Groups of requests that workers take; who finds none left takes half of a long remainder."""

    def __init__(self, groups: Sequence[Sequence[int]], workers: int) -> None:
        self._waiting = deque(deque(group) for group in groups)
        self._taken: list[deque[int]] = [deque() for _ in range(workers)]
        self._lock = threading.Lock()

    def next(self, worker: int) -> int | None:
        """Return the next request's index for a worker, or None when all is taken."""
        with self._lock:
            if not self._taken[worker]:
                self._taken[worker] = self._waiting.popleft() if self._waiting else self._split()
            return self._taken[worker].popleft() if self._taken[worker] else None

    def _split(self) -> deque[int]:
        longest = max(self._taken, key=len)
        half = (len(longest) + 1) // 2
        return deque(reversed([longest.pop() for _ in range(half)])) if half >= LEAST_SPLIT else deque()


def answer_all(requests: Sequence[Request], workers: Sequence[Answer]) -> Generator[tuple[int, Completion]]:
    """Yield the answers with their indices, as they finish; the first error ends the rest and is raised.

    Leaving early (an error, ctrl-C) tells running calls to stop and waits until they did.
    """
    work = Work(group_requests(requests), len(workers))
    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    stop = threading.Event()

    def run(worker: int) -> None:
        while not stop.is_set() and (index := work.next(worker)) is not None:
            try:
                outcomes.put((index, workers[worker](requests[index], stop)))
            except BaseException as error:  # it is raised where the answers are read
                outcomes.put((index, error))
                return

    threads = [threading.Thread(target=run, args=(worker,), daemon=True) for worker in range(len(workers))]
    for thread in threads[: len(requests)]:
        thread.start()
    try:
        for _ in requests:
            index, outcome = outcomes.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield index, outcome
    finally:
        stop.set()
        for thread in threads[: len(requests)]:
            thread.join()
