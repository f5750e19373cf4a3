"""What sending a piece costs: pieces that sleep, by processes here and by a Dask cluster on loopback."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from tests.cluster import run_cluster
from trialforge.core.pieces import SCHEDULER, map_as_completed

PIECES = int(os.environ.get("BENCH_PIECES", "2000"))
SECONDS = 0.05
WORKERS = (2, 4, 8)


def main() -> None:
    """Print seconds, the ideal (all workers asleep all the time) and the share of it that was reached."""
    print(f"{PIECES} pieces of {SECONDS * 1000:g} ms, which sleep")
    print("| workers | where | ideal, s | seconds | of ideal |")
    print("| --- | --- | --- | --- | --- |")
    os.environ.pop(SCHEDULER, None)
    for workers in WORKERS:
        _print_row("processes here", workers, workers)
    with tempfile.TemporaryDirectory() as folder, run_cluster(Path(folder)) as cluster:
        os.environ[SCHEDULER] = cluster.address
        for workers in WORKERS:
            cluster.have_workers(workers)
            list(map_as_completed(sleep, range(4 * workers)))  # each worker imports the package once
            _print_row("Dask", workers, None)
    os.environ.pop(SCHEDULER, None)


def _print_row(where: str, workers: int, processes: int | None) -> None:
    ideal = PIECES * SECONDS / workers
    start = time.perf_counter()
    assert sum(1 for _ in map_as_completed(sleep, range(PIECES), processes)) == PIECES
    seconds = time.perf_counter() - start
    print(f"| {workers} | {where} | {ideal:.1f} | {seconds:.1f} | {ideal / seconds:.2f} |", flush=True)


def sleep(number: int) -> int:
    """Sleep, and return the number."""
    time.sleep(SECONDS)
    return number
