"""A server of our own that is killed in the middle of a load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from tests.services.elastic import many_trials, named_by, serve_small
from tests.services.own_server import OwnServer, install, started
from tests.services.proxy import Asked, Proxy, serve
from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_client import HOSTS

pytestmark = pytest.mark.services


@pytest.fixture
def own_server(shared_data: Path, elasticsearch_url: str, tmp_path: Path) -> Iterator[OwnServer]:  # noqa: ARG001
    with started(install(shared_data, tmp_path / "services")) as server:
        yield server


def test_server_that_is_killed_in_the_middle_of_a_load(own_server: OwnServer, tmp_path: Path) -> None:
    url = own_server.url
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
