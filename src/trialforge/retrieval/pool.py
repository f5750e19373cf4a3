"""The pool: the trials that may be retrieved, with the values of filters and their vectors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.retrieval.query import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trialforge.embedding.encoder import Matrix


class Pool:
    """Trials sorted by id; a trial's row is its number everywhere in the index."""

    def __init__(self, documents: pl.DataFrame, vectors: Matrix) -> None:
        self._documents, self.vectors = documents, vectors
        self.ids: list[str] = documents["nct_id"].to_list()

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each trial by its id."""
        return {nct_id: row for row, nct_id in enumerate(self.ids)}

    @cached_property
    def _by_intervention(self) -> dict[str, NDArray[np.int64]]:
        named = (
            self._documents.select("normalized_interventions")
            .with_row_index("row")
            .explode("normalized_interventions")
            .drop_nulls()
            .group_by("normalized_interventions")
            .agg(pl.col("row").sort())
        )
        return {name: np.asarray(rows, dtype=np.int64) for name, rows in named.iter_rows()}

    @cached_property
    def _labels(self) -> NDArray[np.int64]:
        return self._documents["label"].fill_null(-1).to_numpy()

    def rows(self, where: Filter) -> NDArray[np.int64] | None:
        """Return the rows that pass the filter, ascending; None where it lets all pass."""
        if where == Filter():
            return None
        rows = np.arange(len(self.ids))
        if where.intervention is not None:
            rows = self._by_intervention.get(where.intervention, np.zeros(0, dtype=np.int64))
        if where.among is not None:
            allowed = sorted(self.row_of[nct_id] for nct_id in where.among if nct_id in self.row_of)
            rows = np.intersect1d(rows, np.array(allowed, dtype=np.int64), assume_unique=True)
        return rows if where.label is None else rows[self._labels[rows] == where.label]

    def interventions(self) -> list[str]:
        """Return the normalised interventions that a filter can name."""
        return sorted(self._by_intervention)

    def vectors_of(self, ids: Sequence[str]) -> Matrix:
        """Return the vectors of these trials, one row each."""
        return np.asarray(self.vectors[[self.row_of[nct_id] for nct_id in ids]])
