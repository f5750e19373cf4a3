"""Three real nodes of one Elasticsearch, each of which can be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from tests.processes import wait_until

URLS = "ELASTICSEARCH_CLUSTER_URL"


@dataclass
class Cluster:
    """Nodes 1, 2 and 3, started by `script`, which keeps their process ids in `home`."""

    urls: str
    script: Path
    home: Path

    def stop(self, number: int, how: signal.Signals = signal.SIGKILL) -> None:
        """End a node, and return when nothing of its process is left.

        While nobody has collected one that ended, `script` takes it for alive and does not start it again.
        """
        process = int((self.home / f"elasticsearch-cluster-{number}.pid").read_text())
        os.kill(process, how)
        wait_until(lambda: not is_known(process), 60)

    def start(self) -> None:
        """Start the nodes that do not run, and return when all copies of all shards are there."""
        command, busy = [self.script, "elasticsearch-cluster"], 2  # it gives up early where a machine is busy
        while subprocess.run(command, check=not busy, capture_output=True, timeout=400).returncode:
            busy -= 1
        self.wait_for_copies()

    def wait_for_copies(self) -> None:
        with Elasticsearch(self.urls.split(","), max_retries=10, request_timeout=60) as client:
            asked = client.options(ignore_status=408)  # it did not come to that in time
            wait_until(
                lambda: asked.cluster.health(wait_for_nodes="3", timeout="30s")["status"] == "green", 300
            )


def is_known(process: int) -> bool:
    """Whether the system has a process of this number, ended or not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def find_cluster(shared_data: Path) -> Cluster:
    """The cluster of the environment; without one, or what starts its nodes, the test is skipped."""
    urls, script = os.environ.get(URLS), shared_data.parent / "services" / "up"
    if not urls:
        pytest.skip(f"{URLS} is not set: no cluster to test against")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = Path(os.environ.get("SERVICES_HOME", cache / "project-services"))
    if not (script.is_file() and (home / "elasticsearch-cluster-1.pid").is_file()):
        pytest.skip(f"no {script}, or no node that it started in {home}: nodes can't be killed")
    return Cluster(urls, script, home)
