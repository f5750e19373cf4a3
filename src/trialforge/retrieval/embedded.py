"""The embedded search: BM25 and exact dense vectors on memory-mapped arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from trialforge.retrieval.analysis import query_terms
from trialforge.retrieval.lexical import Impacts, score_trials, term_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.embedding.encoder import Matrix
    from trialforge.retrieval.pool import Pool
    from trialforge.retrieval.query import Filter


PART_ROWS = 16_384  # of vectors that one thread reads at once


class EmbeddedBackend:
    """Scores in this process; every answer is exact, ties stand in the order of ids."""

    def __init__(self, pool: Pool, impacts: Impacts) -> None:
        self._pool, self._impacts = pool, impacts

    def lexical(self, words: Sequence[str], where: Filter, size: int) -> dict[str, float]:
        """Return the BM25 score of the best `size` trials that have one of the words, best first."""
        scores = score_trials(self._impacts, term_rows(self._impacts, query_terms(words)))
        rows = self._pool.rows(where)
        candidates = np.flatnonzero(scores) if rows is None else rows[scores[rows] > 0]
        return self._best(scores[candidates], candidates, size)

    def dense(self, vector: Matrix, where: Filter, size: int) -> dict[str, float]:
        """Return the cosine similarity of the nearest `size` trials, nearest first."""
        rows = self._pool.rows(where)
        matrix = self._pool.vectors if rows is None else self._pool.vectors[rows]
        # Row by row: a matrix product wakes the threads of BLAS, which costs more than it saves, and the last
        # bits of its sums depend on what else is in the matrix.
        scores = _cosines(matrix, vector)
        return self._best(scores, np.arange(len(scores)) if rows is None else rows, size)

    def _best(self, scores: NDArray[np.float32], rows: NDArray[np.int64], size: int) -> dict[str, float]:
        order = best_first(scores, size)
        found = zip(rows[order].tolist(), scores[order].tolist(), strict=True)
        return {self._pool.ids[row]: score for row, score in found}


def _cosines(matrix: Matrix, vector: Matrix) -> NDArray[np.float32]:
    """Return the cosine of each unit row with a vector; a long matrix is read by several threads."""
    parts = np.array_split(matrix, max(1, len(matrix) // PART_ROWS))
    return np.concatenate(list(_threads().map(lambda rows: np.vecdot(rows, vector), parts)))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="search")


def best_first(scores: NDArray[np.float32], size: int) -> NDArray[np.int64]:
    """Return the positions of the `size` best scores, best first, equal ones in their order."""
    if len(scores) > size:
        least = np.partition(scores, len(scores) - size)[len(scores) - size]
        chosen = np.flatnonzero(scores >= least)
    else:
        chosen = np.arange(len(scores))
    return chosen[np.argsort(-scores[chosen], kind="stable")][:size]
