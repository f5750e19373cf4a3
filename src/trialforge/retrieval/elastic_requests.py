"""What Elasticsearch is told, as plain values: mapping, documents and queries. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.retrieval.query import Filter

if TYPE_CHECKING:
    import polars as pl

    from trialforge.embedding.encoder import Matrix
    from trialforge.retrieval.params import IndexParams, RetrievalParams

SIMILARITY = "trialforge_bm25"
OWNER = "trialforge"
EXACT_NAMES = ("conditions", "interventions")  # also indexed without stems, for whole names
_ANSWER = {  # each hit with the number of the write that made it, and of the trial's writes
    "source": False,
    "track_total_hits": False,
    "seq_no_primary_term": True,
    "version": True,
}
OVERSAMPLE = 3.0  # neighbours by int8 vectors, of which the best by the exact ones are kept


def make_mapping(params: IndexParams, dimension: int) -> dict[str, Any]:
    """Return the properties of the index: texts by `english`, values to filter by, vectors by HNSW."""
    text = {"type": "text", "analyzer": "english", "similarity": SIMILARITY}
    exact = {"fields": {"exact": {"type": "text", "analyzer": "standard"}}}
    names = dict.fromkeys([*params.lexical_fields, *params.dense_fields])
    return {
        "nct_id": {"type": "keyword"},
        "normalized_interventions": {"type": "keyword"},
        "conditions": {"type": "keyword", "ignore_above": 1024},
        "phase": {"type": "keyword"},
        "label": {"type": "byte"},
        **{f"text_{name}": text | (exact if name in EXACT_NAMES else {}) for name in names},
        "vector": {
            "type": "dense_vector",
            "dims": dimension,
            "index": True,
            "similarity": "dot_product",
            "index_options": {"type": "int8_hnsw", "m": 16, "ef_construction": 100},
        },
    }


def make_index(params: IndexParams, mapping: dict[str, Any], mark: dict[str, Any]) -> dict[str, Any]:
    """Return the body that creates the index; it is not searched while it is loaded, so not refreshed."""
    return {
        "settings": {
            "number_of_shards": params.elasticsearch.shards,
            "number_of_replicas": params.elasticsearch.replicas,
            "refresh_interval": "-1",
            "similarity": {SIMILARITY: {"type": "BM25", **params.bm25.model_dump()}},
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": {OWNER: mark},
            "_source": {"excludes": ["vector"]},
            "properties": mapping,
        },
    }


def make_documents(documents: pl.DataFrame, vectors: Matrix) -> Iterator[dict[str, Any]]:
    """Yield what is stored of each trial, from a table sorted by id; a trial without text has no vector."""
    start = 0
    for part in documents.iter_slices(1000):
        for number, row in enumerate(part.iter_rows(named=True), start=start):
            vector = np.ascontiguousarray(vectors[number])
            yield row | {"vector": vector} if vector.any() else row
        start += part.height


def make_lexical_query(params: RetrievalParams, text: str, where: Filter, size: int) -> dict[str, Any]:
    """Return the search by words: the sum of the fields' weighted BM25, equal scores by id."""
    fields = [f"text_{name}^{weight}" for name, weight in params.lexical_fields.items()]
    match = {"multi_match": {"query": text, "type": "most_fields", "fields": fields}}
    return {
        "query": {"bool": {"must": [match], "filter": make_filter(where)}},
        "sort": [{"_score": "desc"}, {"nct_id": "asc"}],
        "size": size,
        "search_type": "dfs_query_then_fetch",  # word counts, and so scores, are of all shards together
        **_ANSWER,
    }


def make_dense_query(params: RetrievalParams, vector: Matrix, where: Filter, size: int) -> dict[str, Any]:
    """Return the search for the nearest vectors."""
    return {
        "knn": {
            "field": "vector",
            "query_vector": vector.tolist(),
            "k": size,
            "num_candidates": min(max(4 * size, params.num_candidates), 10_000),
            "filter": make_filter(where),
            "rescore_vector": {"oversample": OVERSAMPLE},
        },
        "sort": [{"_score": "desc"}, {"nct_id": "asc"}],
        "size": size,
        **_ANSWER,
    }


def make_filter(where: Filter) -> list[dict[str, Any]]:
    """Return the terms that a trial must have."""
    among = [] if where.among is None else [{"terms": {"nct_id": sorted(where.among)}}]
    terms = {"normalized_interventions": where.intervention, "label": where.label}
    return [{"term": {name: value}} for name, value in terms.items() if value is not None] + among
