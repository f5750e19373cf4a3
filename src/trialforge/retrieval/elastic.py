"""The search by Elasticsearch: queries are built as plain values, sent here, and read back as scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_client import translated_errors
from trialforge.retrieval.elastic_health import search_shards
from trialforge.retrieval.elastic_requests import make_dense_query, make_lexical_query

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from trialforge.embedding.encoder import Matrix
    from trialforge.retrieval.params import RetrievalParams
    from trialforge.retrieval.pool import Pool
    from trialforge.retrieval.query import Filter


class ElasticBackend:
    """Scores by the index `name` of a server, which at `last_write` held the whole pool and nothing else."""

    def __init__(
        self, client: Elasticsearch, name: str, last_write: int, pool: Pool, params: RetrievalParams
    ) -> None:
        self._client, self._name, self._params = client, name, params
        self._last_write, self._pool = last_write, pool

    def lexical(self, words: Sequence[str], where: Filter, size: int) -> dict[str, float]:
        """Return BM25 scores of the best trials by id, best first, equal ones by id."""
        return self._search(make_lexical_query(self._params, " ".join(words), where, size))

    def dense(self, vector: Matrix, where: Filter, size: int) -> dict[str, float]:
        """Return cosine similarities of the nearest trials by id, nearest first, equal ones by id."""
        scores = self._search(make_dense_query(self._params, vector, where, size))
        return {nct_id: 2 * score - 1 for nct_id, score in scores.items()}  # the server says (1 + cosine) / 2

    def _search(self, query: dict[str, Any]) -> dict[str, float]:
        with translated_errors():
            reply = search_shards(self._client, self._name, **query)
        hits = reply["hits"]["hits"]
        for hit in hits:
            ours = hit["_id"] in self._pool.row_of and hit["_version"] == 1
            if not ours or hit["_seq_no"] > self._last_write:
                raise RetrievalError(
                    f"another program wrote trial {hit['_id']} to the index",
                    hint="run again: the index is rebuilt from the tracked data",
                )
        return {hit["_id"]: float(hit["_score"]) for hit in hits}
