"""Independent pieces of work, on the cores of this machine or on a Dask cluster.

`DASK_SCHEDULER_ADDRESS` names the cluster. Where a piece is worked on changes no result, so the address is no
parameter: nothing reruns because of it.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from contextvars import ContextVar
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from trialforge.core.errors import TrialforgeError, WorkerError, name_missing_extra
from trialforge.core.files import hash_file, hash_json
from trialforge.core.progress import Progress

T = TypeVar("T")
R = TypeVar("R")

SCHEDULER = "DASK_SCHEDULER_ADDRESS"
SHARED_FILES = "TRIALFORGE_SHARED_FILES"
CONNECT_SECONDS = 30.0  # a busy scheduler may take its time
_LOOK_SECONDS = 2.0
_HEAR_SECONDS = 0.2
_AHEAD = 3  # pieces for each thread of the cluster: one it works on, one it has, one on the way
_LIBRARIES = (
    "numpy", "scipy", "polars", "scikit-learn", "datasketch", "lxml", "orjson", "torch", "transformers",
    "tokenizers", "sentence-transformers", "xllamacpp",
)  # fmt: skip
_at_work: ContextVar[bool] = ContextVar("at_work", default=False)
_dask_worker: ContextVar[Any] = ContextVar("dask_worker", default=None)


def map_in_order(work: Callable[[T], R], pieces: Iterable[T], workers: int | None = None) -> Generator[R]:
    """Yield `work(piece)` of each piece, in order; what `work` or `pieces` raises is raised here.

    Args:
        work: a function of a module, for pickle. On a cluster it may read files only where all machines see
            them.
        pieces: they are taken as they are needed, so that only a few are in memory.
        workers: processes on this machine; 1 works in this one. A cluster has its own number.

    Raises:
        WorkerError: workers were killed, the scheduler can't be reached, or a worker runs other code.
    """
    with closing(_run(work, pieces, workers, ordered=True)) as results:
        for _, result in results:
            yield result


def map_as_completed(
    work: Callable[[T], R], pieces: Iterable[T], workers: int | None = None
) -> Generator[tuple[int, R]]:
    """Yield the number of each piece and `work(piece)` as they finish; otherwise as `map_in_order`.

    `pieces` are asked for more after each result, even if they had come to an end before.
    What had finished when a piece failed, or on ctrl-C, is yielded before the error is raised.
    """
    yield from _run(work, pieces, workers, ordered=False)


def uses_cluster() -> bool:
    """Tell whether pieces go to a cluster: not those that a worker cuts its own piece into."""
    return bool(os.environ.get(SCHEDULER)) and not _at_work.get()


def count_cores() -> int:
    """Return how many cores of this machine the process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_wanted() -> bool:
    """Tell whether anyone still waits for the piece that is worked on here; a long one may ask and end."""
    worker = _dask_worker.get()
    task = worker and worker.state.tasks.get(worker.get_current_task())
    return worker is None or (task is not None and task.state != "cancelled")


def shared_files() -> Path | None:
    """Return the folder that all machines of the cluster see under one name, if there is one."""
    folder = os.environ.get(SHARED_FILES)
    return Path(folder) if folder else None


def _run(
    work: Callable[[T], R], pieces: Iterable[T], workers: int | None, *, ordered: bool
) -> Generator[tuple[int, R]]:
    pieces = iter(pieces)
    first = list(islice(pieces, 2))
    here = _at_work.get() or (workers == 1 and not uses_cluster())
    if here or len(first) < 2:  # a single piece is not worth a start of processes
        yield from enumerate(map(work, chain(first, pieces)))
        return
    done: queue.SimpleQueue[tuple[int, Future[R]]] = queue.SimpleQueue()
    finished: dict[int, R] = {}
    waiting = deque(first)
    taken = given = 0
    place: _Place = _Cluster(os.environ[SCHEDULER]) if uses_cluster() else _Processes(work, workers)
    with closing(place):
        try:
            while True:
                while taken - given < place.ahead:
                    if not waiting:
                        waiting.extend(islice(pieces, 1))
                    if not waiting:
                        break
                    future = place.submit(work, waiting.popleft())
                    future.add_done_callback(partial(_tell, done, taken))
                    taken += 1
                if taken == given:
                    return
                number, ended = _wait_for(done, place)
                finished[number] = ended.result()
                while finished and (not ordered or given in finished):
                    number = given if ordered else next(iter(finished))
                    yield number, finished.pop(number)
                    given += 1
        except (Exception, KeyboardInterrupt) as error:
            if not ordered:
                yield from _finished(done)
            explained = place.explain(error)
            if explained is error:
                raise
            raise explained from error


def _tell(done: queue.SimpleQueue[tuple[int, Future[R]]], number: int, future: Future[R]) -> None:
    done.put((number, future))


def _wait_for(done: queue.SimpleQueue[tuple[int, Future[R]]], place: _Place) -> tuple[int, Future[R]]:
    """Return the next piece that has ended; ctrl-C is heard within a moment, as polars' handler hides it."""
    while True:
        place.look()
        with suppress(queue.Empty):
            return done.get(timeout=_HEAR_SECONDS)


def _finished(done: queue.SimpleQueue[tuple[int, Future[R]]]) -> Iterator[tuple[int, R]]:
    while not done.empty():
        number, future = done.get()
        if not future.cancelled() and future.exception() is None:
            yield number, future.result()


class _Place(Protocol):
    ahead: int
    """How many pieces may be taken whose results were not given on."""

    def submit(self, work: Callable[[T], R], piece: T) -> Future[R]: ...

    def look(self) -> None: ...

    def explain(self, error: BaseException) -> BaseException: ...

    def close(self) -> None: ...


class _Processes:
    """Processes of this machine.

    Not threads: Python's work goes back and forth between C and Python, and threads spend a third of their
    time on handing the interpreter's lock to each other. A copy of a process that has used polars hangs, so
    they are copies of one that has only imported what the work needs (`forkserver`).
    """

    def __init__(self, work: Callable[[T], R], workers: int | None) -> None:
        workers = workers or count_cores()
        servers = "forkserver" in multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if servers else "spawn")
        if servers:
            function = work.func if isinstance(work, partial) else work
            context.set_forkserver_preload([function.__module__])  # of the first work of this process
        self.ahead = workers + 1
        self._pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_start_process, initargs=({**os.environ},)
        )

    def submit(self, work: Callable[[T], R], piece: T) -> Future[R]:
        return self._pool.submit(work, piece)

    def look(self) -> None:
        """Processes stay as they are."""

    def explain(self, error: BaseException) -> BaseException:
        if isinstance(error, BrokenProcessPool):
            return WorkerError("a worker process was killed; perhaps memory ran out")
        return error

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _start_process(environment: dict[str, str]) -> None:
    """One thread of polars in each worker, few looks for garbage, and none outlives a killed parent."""
    gc.set_threshold(50_000)  # records are many small objects, and no ring of them
    os.environ.clear()  # it may have changed since the first workers were started
    os.environ.update(environment)
    os.environ["POLARS_MAX_THREADS"] = "1"
    _at_work.set(True)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


class _Cluster:
    """A Dask cluster: the scheduler gives the pieces of a worker that dies to others."""

    def __init__(self, address: str) -> None:
        with name_missing_extra():
            import dask
            from distributed import Client

        self._address = address
        for name in ("distributed", "tornado"):  # what ends the work is told once, by the error
            logging.getLogger(name).setLevel(logging.CRITICAL)
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GiB"})  # pieces carry records
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name="trialforge")
        except (OSError, ValueError) as error:
            raise self._say_gone(f"no Dask scheduler answers at {address}: {error}") from error
        self._executor = self._client.get_executor(pure=False)
        self._looked = 0.0
        self._told = False
        self.ahead = _AHEAD
        self.look()

    def submit(self, work: Callable[[T], R], piece: T) -> Future[R]:
        future: Future[R] = self._executor.submit(do_piece, describe_code(), work, piece)
        return future

    def look(self) -> None:
        """Ask now and then which workers there are: they come and go."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        threads = self._client.nthreads()
        self._looked = time.monotonic()
        self.ahead = _AHEAD * max(1, sum(threads.values()))
        Progress.workers = len(threads)
        if not threads and not self._told:
            sys.stderr.write(f"no worker at {self._address} yet; to start one: dask worker {self._address}\n")
        self._told = not threads

    def explain(self, error: BaseException) -> BaseException:
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker):
            return WorkerError(
                f"{error.allowed_failures + 1} workers died while doing the same piece of work",
                hint="check the logs of the workers; if memory ran out, start fewer workers per machine",
            )
        if isinstance(error, CancelledError) or (
            isinstance(error, OSError) and self._client.status != "running"
        ):
            return self._say_gone(f"the Dask scheduler at {self._address} is gone")
        return error

    def close(self) -> None:
        """Take back what is not done: a worker ends the piece that it is at, and its result is dropped."""
        Progress.workers = None
        if self._client.status == "running":
            self._executor.shutdown(wait=False)
        self._client.close(timeout=CONNECT_SECONDS)

    @staticmethod
    def _say_gone(message: str) -> WorkerError:
        return WorkerError(
            message,
            hint=f"start it again (`dask scheduler`), or unset {SCHEDULER} to work on this machine; then run "
            "the same command again to continue",
        )


def do_piece(code: dict[str, str], work: Callable[[T], R], piece: T) -> R:
    """Return `work(piece)`; it runs on a worker of the cluster.

    Args:
        code: what `describe_code` says on the machine that asks.
        work: the function.
        piece: its argument.

    Raises:
        WorkerError: this worker has other code, or other versions of what decides a result.
    """
    from distributed import get_worker

    address = get_worker().address
    others = [
        f"{name} {here} (here {code[name]})"
        for name, here in describe_code().items()
        if code.get(name, here) != here
    ]
    if others:
        raise WorkerError(
            f"the worker {address} could give different results: it has {', '.join(others)}",
            hint="install the same commit of trialforge and the same requirements.lock there, and restart it",
        )
    before = _at_work.set(True)
    _dask_worker.set(get_worker())
    try:
        with name_missing_extra():
            return work(piece)
    except TrialforgeError as error:
        error.args = (f"{error.args[0]} (on the worker {address})",)
        raise
    except FileNotFoundError as error:
        raise WorkerError(
            f"the worker {address} has no file {error.filename}",
            hint=f"{SHARED_FILES} must name a folder that all machines see",
        ) from error
    finally:
        _at_work.reset(before)


@cache
def describe_code() -> dict[str, str]:
    """Return what decides a result beside its piece: the package's code and the versions of libraries."""
    package = Path(__file__).parents[1]
    sources = {path.relative_to(package).as_posix(): hash_file(path) for path in package.rglob("*.py")}
    found = {"python": f"{sys.version_info[0]}.{sys.version_info[1]}", "trialforge": hash_json(sources)[:12]}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found
