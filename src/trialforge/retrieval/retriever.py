"""The one call that finds trials: by words, by meaning, by both, or at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from trialforge.core.rng import random_stream
from trialforge.retrieval.analysis import query_tokens
from trialforge.retrieval.fusion import diversify, fuse_rankings, rank_ids
from trialforge.retrieval.query import Filter, Hit, Query, clean_text

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Encoder, Matrix
    from trialforge.retrieval.params import RetrievalParams
    from trialforge.retrieval.pool import Pool

MAX_CLAUSES = 1024  # the least that any server allows; a word costs one in each field


class SearchBackend(Protocol):
    """What scores trials: in this process, or a server."""

    def lexical(self, words: Sequence[str], where: Filter, size: int) -> dict[str, float]:
        """Return BM25 scores of the best trials by id, best first, equal ones by id."""

    def dense(self, vector: Matrix, where: Filter, size: int) -> dict[str, float]:
        """Return cosine similarities of the nearest trials by id, nearest first, equal ones by id."""


class Retriever:
    """Searches a pool by a backend; what it answers never lies outside the pool."""

    def __init__(self, pool: Pool, backend: SearchBackend, encoder: Encoder, params: RetrievalParams) -> None:
        self.pool = pool
        self._backend, self._encoder, self._params = backend, encoder, params

    def search(self, query: Query) -> list[Hit]:
        """Return the hits of a query, best first.

        Raises:
            RetrievalError: the query has no words, or the server can't answer.
        """
        text = clean_text(query.text)
        if query.mode == "random":
            return _hits(self._draw(text, query), {}, {}, {})
        size = max(self._params.num_candidates, query.top_k) + len(query.exclude)
        lexical = dense = dict[str, float]()
        if query.mode in ("lexical", "hybrid"):
            words = query_tokens(text)[: MAX_CLAUSES // len(self._params.lexical_fields)]
            lexical = _without(self._backend.lexical(words, query.where, size), query.exclude)
        if query.mode in ("dense", "hybrid"):
            vector = self._encoder.encode([text])[0] if query.vector is None else query.vector
            dense = _without(self._backend.dense(vector, query.where, size), query.exclude)
        weighted = [(list(lexical), 1.0), (list(dense), self._params.dense_weight)]
        fused = fuse_rankings(weighted, self._params.rank_constant)
        ranking = rank_ids(fused)[: max(self._params.num_candidates, query.top_k)]
        if query.mmr_lambda < 1 and len(ranking) > 1:
            relevance = [fused[nct_id] for nct_id in ranking]
            ranking = diversify(ranking, relevance, self.pool.vectors_of(ranking), query.mmr_lambda)
        return _hits(ranking[: query.top_k], lexical, dense, fused)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return the vectors of query texts, for many searches at once."""
        return self._encoder.encode([clean_text(text) for text in texts])

    def _draw(self, text: str, query: Query) -> list[str]:
        rows = self.pool.rows(query.where)
        ids = self.pool.ids if rows is None else [self.pool.ids[row] for row in rows]
        allowed = [nct_id for nct_id in ids if nct_id not in query.exclude]
        stream = random_stream(query.seed, "retrieval", text)
        picked = stream.permutation(len(allowed))[: query.top_k]
        return [allowed[number] for number in picked]


def _without(scores: dict[str, float], exclude: frozenset[str]) -> dict[str, float]:
    return {nct_id: score for nct_id, score in scores.items() if nct_id not in exclude} if exclude else scores


def _hits(
    ranking: Sequence[str],
    lexical: Mapping[str, float],
    dense: Mapping[str, float],
    fused: Mapping[str, float],
) -> list[Hit]:
    lexical_rank = {nct_id: rank for rank, nct_id in enumerate(lexical, start=1)}
    dense_rank = {nct_id: rank for rank, nct_id in enumerate(dense, start=1)}
    return [
        Hit(
            nct_id,
            rank,
            lexical.get(nct_id),
            lexical_rank.get(nct_id),
            dense.get(nct_id),
            dense_rank.get(nct_id),
            fused.get(nct_id),
        )
        for rank, nct_id in enumerate(ranking, start=1)
    ]
