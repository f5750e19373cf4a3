"""A second Elasticsearch, installed as the first, for tests that kill it, block it or fill its disk."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

NO_WATERMARKS = "cluster.routing.allocation.disk.threshold_enabled: false"


@dataclass
class OwnServer:
    """A server with its own port and data."""

    script: Path
    home: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.home / "elasticsearch" / "data"

    def start(self) -> None:
        own = {"SERVICES_HOME": str(self.home), "ES_PORT": str(self.port), "ES_HEAP": "512m"}
        command = [self.script, "elasticsearch"]
        subprocess.run(command, env=os.environ | own, check=True, capture_output=True, timeout=120)

    def kill(self) -> None:
        process = int((self.home / "elasticsearch.pid").read_text())
        os.kill(process, signal.SIGKILL)
        for _ in range(200):
            if not Path(f"/proc/{process}").exists():
                return
            time.sleep(0.05)


def install(shared_data: Path, home: Path, settings: str = NO_WATERMARKS) -> OwnServer:
    """A server that is not started yet; without one that it can be copied from the test is skipped."""
    script = shared_data.parent / "services" / "up"
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    installed = Path(os.environ.get("SERVICES_HOME", cache / "project-services")) / "elasticsearch"
    if not (script.is_file() and installed.is_dir()):
        pytest.skip(f"no {script}, or nothing that it installed in {installed}: no second server")
    shutil.copytree(installed, home / "elasticsearch", ignore=shutil.ignore_patterns("data", "logs"))
    for name in ("data", "logs"):
        (home / "elasticsearch" / name).mkdir()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    with (home / "elasticsearch" / "config" / "elasticsearch.yml").open("a") as config:
        config.write(f"http.port: {port}\n{settings}\n")
    return OwnServer(script, home, port)


@contextmanager
def started(server: OwnServer) -> Iterator[OwnServer]:
    """The server, until the end of the block."""
    server.start()
    try:
        yield server
    finally:
        server.kill()
