"""A server of our own that is killed in the middle of a load."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from tests.services.elastic import many_trials, named_by, serve_small
from tests.services.proxy import Asked, Proxy, serve
from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_client import HOSTS

pytestmark = pytest.mark.services


@dataclass
class OwnServer:
    """A second Elasticsearch: installed as the first, with its own port and data."""

    script: Path
    home: Path
    port: int

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


@pytest.fixture
def own_server(shared_data: Path, elasticsearch_url: str, tmp_path: Path) -> Iterator[OwnServer]:  # noqa: ARG001
    script = shared_data.parent / "services" / "up"
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    installed = Path(os.environ.get("SERVICES_HOME", cache / "project-services")) / "elasticsearch"
    if not (script.is_file() and installed.is_dir()):
        pytest.skip(f"no {script}, or nothing that it installed in {installed}: no second server to kill")
    home = tmp_path / "services"
    shutil.copytree(installed, home / "elasticsearch", ignore=shutil.ignore_patterns("data", "logs"))
    for name in ("data", "logs"):
        (home / "elasticsearch" / name).mkdir()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    with (home / "elasticsearch" / "config" / "elasticsearch.yml").open("a") as config:
        config.write(f"http.port: {port}\ncluster.routing.allocation.disk.threshold_enabled: false\n")
    server = OwnServer(script, home, port)
    server.start()
    yield server
    server.kill()


def test_server_that_is_killed_in_the_middle_of_a_load(own_server: OwnServer, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{own_server.port}"
    whole = serve_small(tmp_path / "index", "pool", url).build(many_trials(100))
    assert whole.ensure() == "built"
    lock, bulks = threading.Lock(), [0]

    def kill_at_the_fifth(asked: Asked) -> Asked:
        with lock:
            bulks[0] += asked.is_bulk
            if bulks[0] == 5:
                own_server.kill()
                bulks[0] = 100
        return asked

    more = whole.build(many_trials(400))
    with (
        serve(Proxy(url, before=kill_at_the_fifth)) as proxy,
        pytest.raises(RetrievalError, match="does not answer") as caught,
    ):
        more.at({HOSTS: proxy.url}, retries=1).ensure()
    assert "docker compose up" in str(caught.value.hint)

    own_server.start()
    with Elasticsearch(url) as client:
        client.cluster.health(wait_for_status="yellow", index=[whole.name, more.name])
        assert named_by(client, "pool") == {whole.name}  # the old index, which is still whole
        assert client.count(index="pool")["count"] == 100
        client.indices.refresh(index=more.name)
        assert 0 < client.count(index=more.name)["count"] < 400
        assert more.ensure() == "rebuilt"
        assert named_by(client, "pool") == {more.name}
        assert client.count(index="pool")["count"] == 400
        shown = client.search(index="pool", size=1000, source=False)["hits"]["hits"]
        assert sorted(hit["_id"] for hit in shown) == [f"NCT{number:05}" for number in range(400)]
