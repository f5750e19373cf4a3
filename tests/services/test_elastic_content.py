"""An index on a real server is used only if it holds what it must, document by document."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from elasticsearch.helpers import bulk

from tests.services.elastic import Served, many_trials
from tests.services.proxy import Proxy, serve
from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_client import HOSTS
from trialforge.retrieval.elastic_content import SEALS
from trialforge.retrieval.elastic_requests import OWNER
from trialforge.retrieval.query import Filter, Query

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

pytestmark = pytest.mark.services
ONE, OTHER = "NCT00017", "NCT00020"


def stored(served: Served) -> dict[str, dict[str, Any]]:
    """The documents as they are loaded, by id."""
    return {row["nct_id"]: row for row in served.documents()}


def exchange_document(served: Served, client: Elasticsearch) -> None:
    document = stored(served)[OTHER] | {"nct_id": ONE}
    client.index(index=served.name, id=ONE, document=plain(document))


def flip_label(served: Served, client: Elasticsearch) -> None:
    client.index(index=served.name, id=ONE, document=plain(stored(served)[ONE] | {"label": 0}))


def exchange_vector(served: Served, client: Elasticsearch) -> None:
    rows = stored(served)
    client.index(index=served.name, id=ONE, document=plain(rows[ONE] | {"vector": rows[OTHER]["vector"]}))


def drop_vector(served: Served, client: Elasticsearch) -> None:
    row = stored(served)[ONE]
    client.index(index=served.name, id=ONE, document={name: row[name] for name in row if name != "vector"})


def put_foreign_id(served: Served, client: Elasticsearch) -> None:
    client.index(index=served.name, id="NCT99999", document=plain(stored(served)[ONE]))


def exchange_id(served: Served, client: Elasticsearch) -> None:
    client.delete(index=served.name, id=ONE)
    client.index(
        index=served.name, id="NCT99999", document=plain(stored(served)[ONE] | {"nct_id": "NCT99999"})
    )


def forge_index(served: Served, client: Elasticsearch) -> None:
    """All names, marks and counts are right; two trials have each other's texts."""
    rows = stored(served)
    rows[ONE], rows[OTHER] = rows[OTHER] | {"nct_id": ONE}, rows[ONE] | {"nct_id": OTHER}
    make_again(served, client, rows, lambda properties: properties)


def forge_mapping(served: Served, client: Elasticsearch) -> None:
    """All documents are right, but titles are read by another analyzer."""
    title = {"type": "text", "analyzer": "standard"}
    make_again(served, client, stored(served), lambda properties: properties | {"text_title": title})


def age(served: Served, client: Elasticsearch) -> None:
    """As earlier versions of trialforge marked it."""
    mark = {OWNER: {"hash": served.manifest["hash"], "complete": True}}
    client.indices.put_mapping(index=served.name, meta=mark)


def stop_at_the_end(served: Served, client: Elasticsearch) -> None:
    """As a load leaves it that was killed when all was there but its last word."""
    mark = client.indices.get_mapping(index=served.name)[served.name]["mappings"]["_meta"][OWNER]
    meta = {OWNER: mark | {"loading_until": 1.0}}
    client.indices.put_mapping(index=served.name, meta=meta)


DAMAGES = [
    exchange_document,
    flip_label,
    exchange_vector,
    drop_vector,
    put_foreign_id,
    exchange_id,
    forge_index,
    forge_mapping,
    age,
    stop_at_the_end,
]


def plain(document: dict[str, Any]) -> dict[str, Any]:
    return document | {"vector": document["vector"].tolist()}


def make_again(
    served: Served,
    client: Elasticsearch,
    rows: dict[str, dict[str, Any]],
    change: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    state = client.indices.get(index=served.name)[served.name]
    mappings = state["mappings"] | {"properties": change(state["mappings"]["properties"])}
    similarity = state["settings"]["index"]["similarity"]
    settings = {"number_of_shards": 1, "number_of_replicas": 0, "similarity": similarity}
    client.indices.delete(index=served.name)
    client.indices.create(index=served.name, mappings=mappings, settings=settings, aliases=state["aliases"])
    bulk(client, ({"_index": served.name, "_id": key, "_source": plain(row)} for key, row in rows.items()))


@pytest.mark.parametrize(
    ("damage", "sealed"),
    [*((damage, True) for damage in DAMAGES), (flip_label, False), (forge_index, False)],
)
def test_changed_index_is_found_and_built_again(
    served: Served, client: Elasticsearch, damage: Callable[[Served, Any], None], sealed: bool
) -> None:
    served.ensure()
    damage(served, client)
    client.indices.refresh(index=served.name)
    if not sealed:
        SEALS.unlink()
    assert served.ensure() == "rebuilt"
    embedded, server = served.open("embedded"), served.open()
    for mode in ("lexical", "dense"):
        query = Query("metformin w17 of adults", mode, 5, where=Filter("metformin", 1))
        assert embedded.search(query)[0].nct_id == server.search(query)[0].nct_id
    assert client.count(index=served.name)["count"] == 200


def test_whole_index_is_read_once_and_then_known_by_its_seal(served: Served, elasticsearch_url: str) -> None:
    served.ensure()
    with serve(Proxy(elasticsearch_url)) as proxy:
        through = served.at({HOSTS: proxy.url})
        assert through.ensure() == "reused"
        assert not any("_search" in asked.path for asked in proxy.asked)
        SEALS.write_text("{ no JSON")
        assert through.ensure() == "reused"
        assert any("_search" in asked.path for asked in proxy.asked)
        proxy.asked.clear()
        assert through.ensure() == "reused"
        assert not any("_search" in asked.path for asked in proxy.asked)


def test_whole_index_is_used_where_no_seal_can_be_kept(served: Served) -> None:
    served.ensure()
    SEALS.unlink()
    SEALS.parent.rmdir()
    SEALS.parent.write_text("a file in the place of the folder")
    assert served.ensure() == "reused"


@pytest.mark.parametrize("damage", [exchange_document, flip_label, put_foreign_id])
def test_trial_that_is_written_while_the_index_is_searched_is_an_error(
    served: Served, client: Elasticsearch, damage: Callable[[Served, Any], None]
) -> None:
    retriever = served.open()
    damage(served, client)
    client.indices.refresh(index=served.name)
    text = "metformin w20" if damage is exchange_document else "metformin w17"
    with pytest.raises(RetrievalError, match="another program wrote trial NCT") as caught:
        retriever.search(Query(text, "lexical", 5))
    assert "run again" in str(caught.value.hint)


def test_index_that_is_made_anew_while_it_is_searched_is_an_error(
    served: Served, client: Elasticsearch
) -> None:
    retriever = served.open()
    client.indices.delete(index=served.name)
    assert served.ensure() == "built"
    with pytest.raises(RetrievalError, match="no longer has the index"):
        retriever.search(Query("w17", "lexical", 5))


def test_another_alias_is_never_pruned(served: Served, client: Elasticsearch, alias: str) -> None:
    team = served.at(served.environ, alias=f"{alias}-onco")
    team.ensure()
    for count in (180, 160, 140):
        served.build(many_trials(count)).at(served.environ, keep_indices=1).ensure()
    assert team.name in client.indices.get(index=f"{alias}*")
    assert team.ensure() == "reused"


def test_alias_of_another_team_is_not_taken(served: Served, client: Elasticsearch, alias: str) -> None:
    team = served.at(served.environ, alias=f"{alias}-onco")
    team.ensure()
    client.indices.put_alias(index=team.name, name=alias)
    with pytest.raises(RetrievalError, match="names an index that trialforge did not make"):
        served.ensure()
