"""Work on all cores, with results in order and only a few pieces in memory at once."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import TypeVar

from trialforge.core.errors import IngestError

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(work: Callable[[T], R], pieces: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """Yield `work(piece)` of each piece, in order; what `work` or `pieces` raises is raised here.

    Processes, not threads: reading a record goes back and forth between C and Python, and threads spend a
    third of their time on handing the interpreter's lock to each other. They start afresh (`spawn`), since a
    copy of a process that has used polars hangs; that takes some tenths of a second, so a single piece is
    worked on here.

    Raises:
        IngestError: a worker was killed.
    """
    pieces = iter(pieces)
    first = list(islice(pieces, 2))
    if len(first) < 2:
        yield from map(work, first)
        return
    workers = workers or len(os.sched_getaffinity(0))
    waiting: deque[Future[R]] = deque()
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawned, initializer=_start_worker) as pool:
        try:
            for piece in chain(first, pieces):
                waiting.append(pool.submit(work, piece))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise IngestError("a worker process was killed; perhaps memory ran out") from error
        finally:
            for future in waiting:
                future.cancel()


def _start_worker() -> None:
    """One thread of polars in each worker, few looks for garbage, and none outlives a killed parent."""
    gc.set_threshold(50_000)  # records are many small objects, and no ring of them
    os.environ["POLARS_MAX_THREADS"] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
