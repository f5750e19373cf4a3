"""The index on a real Elasticsearch: built, searched, reused, replaced, pruned and built again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from tests.services.elastic import Served, indices_of, many_trials, named_by
from tests.unit.retrieval.small_pool import WordEncoder
from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_requests import OWNER
from trialforge.retrieval.query import Filter, Hit, Query
from trialforge.retrieval.retriever import Retriever

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

pytestmark = pytest.mark.services
HOSTILE = [
    "diabetes " * 12_000,
    'diabetes AND (title:* OR "x) ~2 \\ / [1 TO 3] {a} +- && || ! ^9 ? :',
    "dia\x00betes\x1b[2J diabetes \ud800 \u202e x",
    '{"match_all": {}} diabetes </query> %00 ${jndi:x}',
]


def test_index_is_whole_and_named_by_its_hash(served: Served, client: Elasticsearch, alias: str) -> None:
    assert served.ensure() == "built"
    assert named_by(client, alias) == indices_of(client, alias) == {served.name}
    assert served.name == f"{alias}-{served.manifest['hash'][:16]}"
    assert client.count(index=alias)["count"] == served.manifest["trials"] == 200
    mapping = client.indices.get_mapping(index=alias)[served.name]["mappings"]
    mark = mapping["_meta"][OWNER]
    assert (mark["alias"], mark["hash"]) == (alias, served.manifest["hash"])
    assert "loading_until" not in mark
    for name, stated in served.manifest["mapping"].items():
        assert stated.items() <= mapping["properties"][name].items()


def test_backends_answer_alike(served: Served) -> None:
    embedded, server = served.open("embedded"), served.open()
    for text in ("metformin of adults", "sugar w17", "group 3 of adults"):
        for where in (Filter(), Filter("metformin", None), Filter("insulin", 0)):
            query = Query(text, "lexical", 10, where=where, seed=3)
            ours, theirs = embedded.search(query), server.search(query)
            assert [hit.nct_id for hit in ours] == [hit.nct_id for hit in theirs]
            assert scores(ours, "lexical_score") == pytest.approx(scores(theirs, "lexical_score"), rel=1e-5)
            query = replace(query, mode="dense")  # near-ties may stand in another order
            ours, theirs = embedded.search(query), server.search(query)
            assert scores(ours, "dense_score") == pytest.approx(scores(theirs, "dense_score"), abs=1e-5)
            query = replace(query, mode="random")
            assert embedded.search(query) == server.search(query)


def scores(hits: list[Hit], part: str) -> list[float]:
    return [getattr(hit, part) for hit in hits]


def test_scores_of_three_shards_are_those_of_one(served: Served, client: Elasticsearch, alias: str) -> None:
    spread = served.at(served.environ, alias=f"{alias}-spread", shards=3)
    three, one, embedded = spread.open(), served.open(), served.open("embedded")
    shards = client.indices.stats(index=spread.name, level="shards")["indices"][spread.name]["shards"]
    assert all(copy["docs"]["count"] > 0 for copies in shards.values() for copy in copies)
    assert len(shards) == 3
    for text in ("metformin of adults", "sugar w17", "group 3 of adults"):
        for where in (Filter(), Filter("metformin", None), Filter("insulin", 0)):
            query = Query(text, "lexical", 20, where=where)
            assert three.search(query) == one.search(query)
            query = replace(query, mode="dense")  # near-ties may stand in another order
            theirs, ours = three.search(query), embedded.search(query)
            assert scores(theirs, "dense_score") == pytest.approx(scores(ours, "dense_score"), abs=1e-5)


def test_other_number_of_shards_is_another_index_and_of_copies_a_setting(
    served: Served, client: Elasticsearch
) -> None:
    served.ensure()
    copied = served.at(served.environ, replicas=1)  # for which one node has no place
    assert copied.ensure() == "reused"
    assert settings_of(client, copied) == ("1", "1")
    assert copied.at(served.environ, shards=2).ensure() == "rebuilt"
    assert settings_of(client, copied) == ("2", "1")
    assert client.count(index=served.name)["count"] == 200


def settings_of(client: Elasticsearch, served: Served) -> tuple[str, str]:
    """The number of shards of an index, and of further copies."""
    index = client.indices.get_settings(index=served.name)[served.name]["settings"]["index"]
    return index["number_of_shards"], index["number_of_replicas"]


@pytest.mark.parametrize("text", HOSTILE, ids=["100 kB", "syntax", "control", "markup"])
@pytest.mark.parametrize("backend", ["embedded", "elasticsearch"])
def test_hostile_query_is_read_as_plain_words(served: Served, text: str, backend: str) -> None:
    for mode in ("lexical", "dense", "hybrid"):
        assert len(served.open(backend).search(Query(text, mode, 5))) == 5


@pytest.mark.parametrize("text", ["", " \n\t", "\x00\x1f\x7f"])
def test_empty_query_is_an_error_not_an_answer(served: Served, text: str) -> None:
    with pytest.raises(RetrievalError, match="the query has no words"):
        served.open().search(Query(text, "hybrid", 5))


@pytest.mark.parametrize("backend", ["embedded", "elasticsearch"])
def test_query_of_marks_alone_finds_nothing_by_words(served: Served, backend: str) -> None:
    assert served.open(backend).search(Query("?! -- ***", "lexical", 5)) == []


def test_same_hash_is_reused_and_nothing_is_written(
    served: Served, client: Elasticsearch, alias: str
) -> None:
    served.ensure()
    before = client.indices.stats(index=served.name)["_all"]["total"]["indexing"]["index_total"]
    assert served.ensure() == "reused"
    after = client.indices.stats(index=served.name)["_all"]["total"]["indexing"]["index_total"]
    assert before == after == 200
    assert indices_of(client, alias) == {served.name}


def test_new_hash_stands_beside_the_old_until_it_is_pruned(
    served: Served, client: Elasticsearch, alias: str
) -> None:
    names = []
    for count in (200, 150, 120):
        one = served.build(many_trials(count))
        assert one.ensure() == "built"
        assert named_by(client, alias) == {one.name}
        names.append(one.name)
    assert indices_of(client, alias) == set(names[1:])  # `keep_indices` is 2
    one.at(one.environ, keep_indices=1).ensure()
    assert indices_of(client, alias) == {names[2]}


def test_old_index_that_still_stands_is_taken_up_again(
    served: Served, client: Elasticsearch, alias: str
) -> None:
    served.ensure()
    served.build(many_trials(150)).ensure()
    assert served.build(many_trials(200)).ensure() == "reused"
    assert named_by(client, alias) == {served.name}


def test_wiped_index_is_loaded_again_and_said(
    served: Served, client: Elasticsearch, alias: str, caplog: pytest.LogCaptureFixture
) -> None:
    served.ensure()
    client.indices.delete(index=served.name)
    caplog.clear()
    assert served.open().search(Query("w17", "lexical", 1))[0].nct_id == "NCT00017"
    assert f"index {served.name} of Elasticsearch is not there: loading the tracked data" in caplog.text
    assert client.count(index=alias)["count"] == 200


def test_partial_index_is_loaded_again_and_said(
    served: Served, client: Elasticsearch, alias: str, caplog: pytest.LogCaptureFixture
) -> None:
    served.ensure()
    client.delete(index=served.name, id="NCT00017", refresh=True)
    assert served.open().search(Query("w17", "lexical", 1))[0].nct_id == "NCT00017"
    assert f"index {served.name} of Elasticsearch is partial or was changed" in caplog.text
    assert client.count(index=alias)["count"] == 200


def test_refused_trial_is_named_and_the_alias_keeps_the_old_index(
    served: Served, client: Elasticsearch, alias: str
) -> None:
    served.ensure()
    bad = served.build(many_trials(200, label=1000))  # no byte can hold that
    with pytest.raises(RetrievalError, match=r"refuses 1 documents: NCT00007: .*label") as caught:
        bad.ensure()
    assert "the alias still names the old index" in str(caught.value.hint)
    assert named_by(client, alias) == {served.name}


@pytest.mark.parametrize("kind", ["index", "alias", "name"])
def test_what_is_not_ours_is_never_touched(
    served: Served, client: Elasticsearch, alias: str, kind: str
) -> None:
    foreign = {"index": alias, "alias": f"{alias}-other", "name": served.name}[kind]
    client.indices.create(index=foreign, aliases={alias: {}} if kind == "alias" else None)
    client.index(index=foreign, id="1", document={"precious": True}, refresh=True)
    with pytest.raises(RetrievalError, match="that trialforge did not make") as caught:
        served.ensure()
    assert "another" in str(caught.value.hint)
    assert indices_of(client, alias) == {foreign}
    assert client.get(index=foreign, id="1")["_source"] == {"precious": True}


def test_foreign_index_of_a_like_name_is_not_pruned(
    served: Served, client: Elasticsearch, alias: str
) -> None:
    client.indices.create(index=f"{alias}-archive")
    served.at(served.environ, keep_indices=1).ensure()
    assert indices_of(client, alias) == {served.name, f"{alias}-archive"}


def test_trial_without_text_has_no_vector_and_is_still_counted(
    served: Served, client: Elasticsearch, alias: str
) -> None:
    bare = many_trials(20).with_columns(title=pl.lit(None, pl.String), summary=pl.lit(None, pl.String))
    served.build(pl.concat([many_trials(40).tail(20), bare])).ensure()
    assert client.count(index=alias)["count"] == 40


def test_vectors_by_int8_find_what_exact_ones_find(served: Served) -> None:
    server, embedded = served.open(), served.open("embedded")
    texts = [f"metformin w{number} of adults" for number in range(0, 200, 10)]
    vectors = WordEncoder().encode(texts)
    shared = [
        len(_ids(server, text, vector) & _ids(embedded, text, vector)) / 10
        for text, vector in zip(texts, vectors, strict=True)
    ]
    assert np.mean(shared) >= 0.95


def _ids(retriever: Retriever, text: str, vector: np.ndarray) -> set[str]:
    return {hit.nct_id for hit in retriever.search(Query(text, "dense", 10, vector=vector))}
