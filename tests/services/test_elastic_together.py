"""Several loads at once on a real server: none is taken for dead, done twice or mixed with another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.services.elastic import Served, indices_of, many_trials, named_by
from tests.services.proxy import Answer, Asked, Proxy, serve
from trialforge.retrieval.elastic_client import HOSTS
from trialforge.retrieval.query import Query

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

pytestmark = pytest.mark.services
LEASE = 2.0


@pytest.fixture(autouse=True)
def _short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trialforge.retrieval.elastic_index.LEASE_SECONDS", LEASE)


class Slow:
    """A way to the server on which the third bulk request waits until it is let go."""

    def __init__(self, proxy: Proxy) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.proxy, proxy.before = proxy, self.hold

    def hold(self, asked: Asked) -> Asked | Answer:
        if asked.is_bulk and sum(one.is_bulk for one in self.proxy.asked) == 3:
            self.reached.set()
            self.go_on.wait(60)
        return asked


@pytest.fixture
def slow(elasticsearch_url: str) -> Iterator[Slow]:
    with serve(Proxy(elasticsearch_url)) as proxy:
        way = Slow(proxy)
        yield way
        way.go_on.set()


def test_second_load_waits_for_a_slow_first_one_and_takes_its_result(
    served: Served, slow: Slow, client: Elasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    first = served.at({HOSTS: slow.proxy.url}, timeout=60)
    with ThreadPoolExecutor() as pool:
        one = pool.submit(first.ensure)
        assert slow.reached.wait(30)
        other = pool.submit(served.ensure)
        time.sleep(3 * LEASE)  # the first says that it lives, though nothing comes of it
        assert not other.done()
        slow.go_on.set()
        assert (one.result(), other.result()) == ("built", "reused")
    assert "another run is loading index" in caplog.text
    stats = client.indices.stats(index=served.name)["_all"]["total"]["indexing"]
    assert (stats["index_total"], stats["delete_total"]) == (200, 0)


def test_slow_load_is_not_pruned_by_a_quick_one_under_its_alias(
    served: Served, slow: Slow, client: Elasticsearch, alias: str
) -> None:
    first = served.at({HOSTS: slow.proxy.url}, timeout=60)
    with ThreadPoolExecutor() as pool:
        one = pool.submit(first.ensure)
        assert slow.reached.wait(30)
        time.sleep(2 * LEASE)
        quick = served.at(served.environ)
        quick.folder = served.folder.with_name("quick")
        quick = quick.build(many_trials(150))
        assert quick.ensure() == "built"
        assert named_by(client, alias) == {quick.name}
        slow.go_on.set()
        assert one.result() == "built"
    assert named_by(client, alias) == {served.name}
    assert indices_of(client, alias) == {served.name, quick.name}
    assert client.count(index=alias)["count"] == 200


def test_load_that_was_taken_for_dead_writes_nothing_into_its_successor(
    served: Served, slow: Slow, client: Elasticsearch
) -> None:
    def silence(asked: Asked) -> Asked | Answer:
        return Answer(503) if asked.method == "PUT" and "_mapping" in asked.path else slow.hold(asked)

    slow.proxy.before = silence
    first = served.at({HOSTS: slow.proxy.url}, timeout=60)
    with ThreadPoolExecutor() as pool:
        one = pool.submit(first.ensure)
        assert slow.reached.wait(30)
        assert served.ensure() == "rebuilt"
        slow.go_on.set()
        assert one.result() == "reused"
    assert client.indices.stats(index=served.name)["_all"]["total"]["indexing"]["index_total"] == 200


def test_loads_that_start_together_all_have_the_index(served: Served, client: Elasticsearch) -> None:
    with ThreadPoolExecutor(4) as pool:
        retrievers = list(pool.map(lambda _: served.open(), range(4)))
    for retriever in retrievers:
        assert retriever.search(Query("w17", "lexical", 1))[0].nct_id == "NCT00017"
    stats = client.indices.stats(index=served.name)["_all"]["total"]["indexing"]
    assert stats["index_total"] == 200


def test_load_that_was_killed_is_cleared_away_by_one_of_another_pool(
    served: Served, client: Elasticsearch, alias: str
) -> None:
    served.ensure()
    mark = client.indices.get_mapping(index=served.name)[served.name]["mappings"]["_meta"]
    mark["trialforge"]["loading_until"] = time.time() - 1
    client.indices.put_mapping(index=served.name, meta=mark)
    other = served.build(many_trials(150))
    other.ensure()
    assert indices_of(client, alias) == {other.name}
