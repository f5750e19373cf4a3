"""The embedded search: BM25 and exact dense vectors on memory-mapped arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.retrieval.analysis import english_terms, split_tokens
from trialforge.retrieval.lexical import Impacts, score_trials

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.embedding.encoder import Matrix
    from trialforge.retrieval.pool import Pool
    from trialforge.retrieval.query import Filter


class EmbeddedBackend:
    """Scores in this process; every answer is exact, ties stand in the order of ids."""

    def __init__(self, pool: Pool, impacts: Impacts) -> None:
        self._pool, self._impacts = pool, impacts

    def lexical(self, text: str, where: Filter, size: int) -> dict[str, float]:
        """Return the BM25 score of the best `size` trials that share a word with the text, best first."""
        scores = score_trials(self._impacts, self._term_rows(text))
        rows = self._pool.rows(where)
        candidates = np.flatnonzero(scores) if rows is None else rows[scores[rows] > 0]
        return self._best(scores[candidates], candidates, size)

    def dense(self, vector: Matrix, where: Filter, size: int) -> dict[str, float]:
        """Return the cosine similarity of the nearest `size` trials, nearest first."""
        rows = self._pool.rows(where)
        matrix = self._pool.vectors if rows is None else self._pool.vectors[rows]
        scores = np.asarray(matrix @ vector, dtype=np.float32)
        return self._best(scores, np.arange(len(scores)) if rows is None else rows, size)

    def _term_rows(self, text: str) -> NDArray[np.int64]:
        tokens = pl.DataFrame({"text": [text]}).select(split_tokens(pl.col("text")).alias("token"))
        found = tokens.explode("token").drop_nulls()
        terms = found.join(english_terms(found["token"].unique()), on="token")["term"]
        terms = terms.filter(terms.is_in(self._impacts.terms.implode()))
        return np.asarray(self._impacts.terms.search_sorted(terms), dtype=np.int64)

    def _best(self, scores: NDArray[np.float32], rows: NDArray[np.int64], size: int) -> dict[str, float]:
        order = best_first(scores, size)
        return {self._pool.ids[rows[number]]: float(scores[number]) for number in order}


def best_first(scores: NDArray[np.float32], size: int) -> NDArray[np.int64]:
    """Return the positions of the `size` best scores, best first, equal ones in their order."""
    if len(scores) > size:
        least = np.partition(scores, len(scores) - size)[len(scores) - size]
        chosen = np.flatnonzero(scores >= least)
    else:
        chosen = np.arange(len(scores))
    return chosen[np.argsort(-scores[chosen], kind="stable")][:size]
