"""Many calls in flight: requests that share the start of their prompt stay with one worker, in order.

A worker remembers its last prompt, as the engine's slot behind it does: what is asked again goes where its
prompt has been read already. What follows from an answer stays with the worker too, so that no worker waits
for others, and what began alike goes on alike.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress

from trialforge.core.errors import GenerationError
from trialforge.llm.backend import Completion, Request
from trialforge.llm.schemas import check_schemas

Ask = Callable[[Request, threading.Event], Completion]
Outcome = tuple[int, int, Completion | BaseException]  # worker, request, what came of it
SHARED = 0.5  # of the shorter prompt, for two to belong to one group


def prompt_text(request: Request) -> str:
    """Return a prompt as one text, to compare starts."""
    return "\x1e".join(f"{message.role}\x1f{message.content}" for message in request.messages)


def count_shared(one: str, other: str) -> int:
    """Return the number of characters that two texts have in common at their start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def count_common(one: str, other: str) -> int:
    """Return how much start two prompts share, 0 if too little to belong together."""
    shared = count_shared(one, other)
    return shared if shared >= SHARED * min(len(one), len(other)) else 0


def group_requests(texts: Sequence[str]) -> list[list[int]]:
    """Return the indices of prompts in runs of neighbours that belong together."""
    groups: list[list[int]] = []
    for index, text in enumerate(texts):
        if groups and count_common(texts[index - 1], text):
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


class Work:
    """Groups of prompts that workers take; who finds none left takes half of what waits with another.

    `held` has the last prompt of each worker, from this work or from earlier one.
    """

    def __init__(self, texts: Sequence[str], held: list[str]) -> None:
        self._texts = dict(enumerate(texts))  # of what is not yet taken
        self._size = len(texts)
        self._held = held
        self._open = True
        self._unread: set[int] = set()
        self._taken: list[deque[int]] = [deque() for _ in held]
        self._waiting: deque[deque[int]] = deque()
        for group in group_requests(texts):
            owner = self._find_owner(texts[group[0]])
            if owner is None:
                self._waiting.append(deque(group))
            else:
                self._taken[owner].extend(group)
        self._changed = threading.Condition()

    def next(self, worker: int) -> int | None:
        """Return the next request's index for a worker, or None when all is taken."""
        with self._changed:
            if not self._taken[worker]:
                self._taken[worker] = self._waiting.popleft() if self._waiting else self._split()
            if not self._taken[worker]:
                return None
            index = self._taken[worker].popleft()
            self._held[worker] = self._texts.pop(index)
            return index

    def wait_for_next(self, worker: int) -> int | None:
        """Return the next request's index for a worker once there is one, or None when the work is closed.

        What follows from the worker's last answer comes first.
        """
        with self._changed:
            while self._open:
                if worker not in self._unread and (index := self.next(worker)) is not None:
                    self._unread.add(worker)
                    return index
                self._changed.wait()
            return None

    def follow(self, worker: int, texts: Sequence[str]) -> None:
        """Add what follows from a worker's answer to what it has, in front where the prompts begin alike."""
        with self._changed:
            added = dict(enumerate(texts, self._size))
            alike = [index for index, text in added.items() if count_common(self._held[worker], text)]
            self._taken[worker].extendleft(reversed(alike))
            self._taken[worker].extend(index for index in added if index not in alike)
            self._texts |= added
            self._size += len(added)
            self._unread.discard(worker)
            self._changed.notify_all()

    def close(self) -> None:
        """Send all workers home."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _find_owner(self, text: str) -> int | None:
        free = (worker for worker, taken in enumerate(self._taken) if not taken)
        common = {worker: count_common(self._held[worker], text) for worker in free}
        best = max(common, key=common.__getitem__, default=None)
        return best if best is not None and common[best] else None

    def _split(self) -> deque[int]:
        longest = max(self._taken, key=len)
        return deque(reversed([longest.pop() for _ in range(len(longest) // 2)]))


def wait_for(outcomes: queue.SimpleQueue[Outcome]) -> Outcome:
    """Return the next outcome; ctrl-C is heard within a moment, however long that takes.

    Where polars is loaded, its handler of the signal lets a wait without an end go on.
    """
    while True:
        with suppress(queue.Empty):
            return outcomes.get(timeout=0.2)


def answer_all(
    requests: Sequence[Request], workers: Sequence[Ask], held: list[str]
) -> Generator[tuple[int, Completion]]:
    """Yield the answers with their indices, as they finish; the first error, or ctrl-C, ends the rest.

    What the caller appends to `requests` between two answers is asked too.
    `held` has each worker's last prompt, empty at first, and is kept up to date for the next time.
    At the end running calls are told to stop. What had finished by then is paid for: it is yielded before the
    error is raised.

    Raises:
        GenerationError: a call fails, or engines can't force a schema.
    """
    check_schemas(requests)
    work = Work([prompt_text(request) for request in requests], held)
    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    stop = threading.Event()

    def run(worker: int) -> None:
        while not stop.is_set() and (index := work.wait_for_next(worker)) is not None:
            try:
                outcomes.put((worker, index, workers[worker](requests[index], stop)))
            except BaseException as error:  # it is raised where the answers are read
                outcomes.put((worker, index, error))
                return

    threads = [threading.Thread(target=run, args=(worker,), daemon=True) for worker in range(len(workers))]
    for thread in threads:
        thread.start()
    ended_by: BaseException | None = None
    try:
        known = len(requests)
        for _ in requests:
            worker, index, outcome = wait_for(outcomes)
            if isinstance(outcome, BaseException):
                ended_by = outcome
                break
            yield index, outcome
            check_schemas(requests[known:])
            work.follow(worker, [prompt_text(request) for request in requests[known:]])
            known = len(requests)
    except (GenerationError, KeyboardInterrupt) as error:
        ended_by = error
    finally:
        stop.set()
        work.close()
        for thread in threads:
            thread.join()
    if ended_by is not None:
        while not outcomes.empty():
            _, index, outcome = outcomes.get()
            if not isinstance(outcome, BaseException):
                yield index, outcome
        raise ended_by
