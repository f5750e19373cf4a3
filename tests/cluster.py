"""A Dask cluster of real processes on loopback, each worker with a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from distributed import Client

from tests.processes import wait_until

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Cluster:
    """A scheduler and its workers; `address` is what DASK_SCHEDULER_ADDRESS is set to."""

    folder: Path
    scheduler: subprocess.Popen[bytes]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: int = 0

    @property
    def file(self) -> Path:
        return self.folder / "scheduler.json"

    @property
    def address(self) -> str:
        return str(json.loads(self.file.read_text())["address"])

    def have_workers(self, number: int) -> None:
        """Start as many workers as are missing, and wait until the scheduler knows them all."""
        for name in [name for name, process in self.workers.items() if process.poll() is not None]:
            del self.workers[name]
        while len(self.workers) < number:
            self.start_worker()
        with self.client() as client:
            client.wait_for_workers(number, timeout=240)  # a busy machine is no fault

    def start_worker(self, **environment: str) -> str:
        self.started += 1
        name = f"worker-{self.started}"
        folder = self.folder / name
        folder.mkdir()
        options = ["--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
        self.workers[name] = start(
            "worker", "--scheduler-file", str(self.file), *options, "--local-directory", str(folder),
            folder=folder, **environment,
        )  # fmt: skip
        return name

    @contextmanager
    def client(self) -> Iterator[Client]:
        client = Client(self.address, set_as_default=False, timeout=30)
        try:
            yield client
        finally:
            client.close()

    @contextmanager
    def kill_one(self) -> Iterator[list[str]]:
        """Kill -9 a worker that has a piece in work; the list names it once it is dead."""
        killed: list[str] = []

        def kill(client: Client) -> bool:
            workers = client.scheduler_info(n_workers=-1)["workers"]
            busy = [workers[place]["name"] for place, keys in client.processing().items() if keys]
            for name in busy[:1]:
                self.workers[name].kill()
                self.workers[name].wait()
                killed.append(name)
            return bool(killed)

        with self.client() as client, meanwhile(lambda: kill(client)):
            yield killed


@contextmanager
def meanwhile(act: Callable[[], bool]) -> Iterator[None]:
    """Call `act` in another thread while the block runs, until it says that it has done its work."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and not act():
            time.sleep(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def start(*command: str, folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start `dask ...` in a folder; what it says lies there."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    variables = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **environment}
    with (folder / f"{command[0]}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *command], cwd=folder, env=variables, stdout=log, stderr=log
        )


@contextmanager
def run_cluster(folder: Path) -> Iterator[Cluster]:
    """A scheduler at a free port, without workers yet; all processes end with the block."""
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--idle-timeout", "20 minutes"]
    options += ["--scheduler-file", str(folder / "scheduler.json")]
    cluster = Cluster(folder, start("scheduler", *options, folder=folder))
    try:
        wait_until(lambda: cluster.file.is_file() and cluster.file.read_text().strip().endswith("}"))
        yield cluster
    finally:
        for process in (*cluster.workers.values(), cluster.scheduler):
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
