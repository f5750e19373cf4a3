"""The index on a real cluster of three nodes: in shards, in copies, and with nodes that die."""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from tests.processes import wait_until
from tests.services.elastic import Served, many_trials, named_by, serve_small
from tests.services.three_nodes import Cluster, find_cluster
from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_client import connect
from trialforge.retrieval.elastic_index import ServerIndex
from trialforge.retrieval.query import Hit, Query

pytestmark = [pytest.mark.services, pytest.mark.timeout(1200)]
TEXTS = ("metformin of adults", "sugar w17", "group 3 of adults")


@pytest.fixture
def cluster(shared_data: Path) -> Cluster:
    return find_cluster(shared_data)


@pytest.fixture
def nodes(cluster: Cluster) -> Iterator[Elasticsearch]:
    with Elasticsearch(cluster.urls.split(","), request_timeout=60, max_retries=10) as client:
        yield client


@pytest.fixture
def spread(cluster: Cluster, nodes: Elasticsearch, tmp_path: Path) -> Iterator[Served]:
    """An index of 200 trials, to be spread over three shards, each with a copy."""
    alias = f"test-{uuid.uuid4().hex[:12]}"
    served = serve_small(tmp_path / "index", alias, cluster.urls, shards=3, replicas=1, retries=5)
    yield served.build(many_trials(200))
    cluster.start()  # what a test has ended
    for name in nodes.indices.get(index=f"{alias}*"):
        nodes.indices.delete(index=name)


def check_documents(nodes: Elasticsearch, served: Served, count: int) -> None:
    """Check that none is lost, and that each was written once."""
    whole = {"version": True, "allow_partial_search_results": False}
    found = nodes.search(index=served.name, size=10_000, source=False, **whole)["hits"]["hits"]
    assert sorted(hit["_id"] for hit in found) == [f"NCT{number:05}" for number in range(count)]
    assert {hit["_version"] for hit in found} == {1}


def scores(hits: list[Hit], mode: str) -> list[tuple[str, float]]:
    return [(hit.nct_id, getattr(hit, f"{mode}_score")) for hit in hits]


def test_node_that_is_killed_in_the_middle_of_a_load(
    spread: Served, cluster: Cluster, nodes: Elasticsearch
) -> None:
    larger = spread.build(many_trials(600))
    master = int(nodes.cat.master(format="json", h="node")[0]["node"][-1])  # type: ignore[index]
    killed = threading.Event()

    def documents() -> Iterator[dict[str, Any]]:
        for number, document in enumerate(larger.documents()):
            if number == 300 and not killed.is_set():
                killed.set()
                cluster.stop(master)
            yield document

    with connect(larger.params.elasticsearch, larger.environ) as client:
        assert ServerIndex(client, larger.manifest, larger.params).ensure(documents) == "built"
    assert killed.is_set()
    check_documents(nodes, larger, 600)
    cluster.start()
    assert larger.ensure() == "reused"
    assert named_by(nodes, larger.params.elasticsearch.alias) == {larger.name}
    embedded, server = larger.open("embedded"), larger.open()
    for text in TEXTS:
        ours, theirs = (index.search(Query(text, "lexical", 20)) for index in (embedded, server))
        assert [hit.nct_id for hit in ours] == [hit.nct_id for hit in theirs]
        assert [hit.lexical_score for hit in ours] == pytest.approx([hit.lexical_score for hit in theirs])


def test_queries_go_on_while_each_node_is_ended_and_comes_back(
    spread: Served, cluster: Cluster, nodes: Elasticsearch
) -> None:
    spread.ensure()
    cluster.wait_for_copies()
    retriever = spread.open()
    queries = [Query(text, mode, 10) for text in TEXTS for mode in ("lexical", "dense")]
    wanted = [retriever.search(query) for query in queries]
    answered, over = [0, 0], threading.Event()

    def ask(asker: int) -> None:
        while not over.is_set():
            for query, hits in zip(queries, wanted, strict=True):
                assert scores(retriever.search(query), query.mode) == scores(hits, query.mode)
                answered[asker] += 1

    with ThreadPoolExecutor(2) as pool:
        askers = [pool.submit(ask, number) for number in range(2)]
        try:
            for number, how in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL), start=1):
                cluster.stop(number, how)
                so_far = sum(answered)
                wait_until(lambda: sum(answered) > so_far + 20 or any(one.done() for one in askers), 300)  # noqa: B023
                cluster.start()
        finally:
            over.set()
        for asker in askers:
            asker.result()
    assert spread.ensure() == "reused"
    check_documents(nodes, spread, 200)


def test_index_without_copies_is_red_while_a_node_is_missing(
    spread: Served, cluster: Cluster, nodes: Elasticsearch
) -> None:
    single = spread.at(spread.environ, replicas=0, retries=1)
    retriever = single.open()
    cluster.stop(2)
    for use in (single.ensure, lambda: retriever.search(Query("sugar", "lexical", 5))):
        with pytest.raises(RetrievalError, match=rf"the index {single.name} is red: ") as caught:
            use()
        assert "start the missing nodes" in str(caught.value.hint)
    cluster.start()
    assert len(retriever.search(Query("sugar", "lexical", 5))) == 5
    assert single.ensure() == "reused"
    check_documents(nodes, single, 200)
