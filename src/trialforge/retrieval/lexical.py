"""BM25 as Lucene computes it, over several weighted fields: a sparse matrix of impacts.

A trial's score is the sum over fields and query terms of weight * idf * tf / (tf + norm), which is
what Elasticsearch's `multi_match` of type `most_fields` adds up. All but the choice of terms is known
when the index is built, so each (term, trial) has one number, its impact, and a query adds up rows.
Lengths are rounded as Lucene stores them, in one byte: without that, rankings differ.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.retrieval.analysis import english_terms, split_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.retrieval.params import Bm25Params

_EXACT_LENGTHS = 24  # below, the byte holds the length itself
SLICE = 20_000  # trials analysed at once: bounds the memory of building


@dataclass(frozen=True, slots=True)
class Impacts:
    """Rows of a sparse matrix: the trials of term `t` are `trials[starts[t]:starts[t + 1]]`."""

    terms: Sequence[str]  # sorted
    starts: NDArray[np.int64]
    trials: NDArray[np.int32]
    impacts: NDArray[np.float32]
    count: int


def build_impacts(texts: pl.DataFrame, weights: Mapping[str, float], bm25: Bm25Params) -> Impacts:
    """Return the impacts of all terms of the weighted columns of `texts`, one row a trial."""
    numbers: dict[str, int] = {}
    parts = [_field_impacts(texts[name], bm25, numbers) for name in weights]
    terms = sorted(numbers)
    row_of = np.empty(len(terms), dtype=np.int64)
    row_of[[numbers[term] for term in terms]] = np.arange(len(terms))
    count = texts.height
    cells = np.concatenate(
        [row_of[part["term"].to_numpy()] * count + part["trial"].to_numpy() for part in parts]
    )
    added = np.concatenate(
        [part["impact"].to_numpy() * weight for part, weight in zip(parts, weights.values(), strict=True)]
    )
    del parts
    # A stable order: floats added in another one differ in their last bits.
    order = np.argsort(cells, kind="stable")
    cells = cells[order]
    firsts = np.flatnonzero(np.diff(cells, prepend=-1))
    impacts = np.add.reduceat(added[order], firsts) if len(firsts) else added
    cells = cells[firsts]
    return Impacts(
        terms=terms,
        starts=np.searchsorted(cells, np.arange(len(terms) + 1) * count),
        trials=(cells % max(count, 1)).astype(np.int32),
        impacts=impacts.astype(np.float32),
        count=count,
    )


def term_rows(impacts: Impacts, terms: Sequence[str]) -> NDArray[np.int64]:
    """Return the rows of the terms that the index has, ascending; a term given twice stands there twice."""
    known = impacts.terms
    places = ((bisect_left(known, term), term) for term in sorted(terms))
    rows = [row for row, term in places if row < len(known) and known[row] == term]
    return np.array(rows, dtype=np.int64)


def score_trials(impacts: Impacts, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the score of every trial for the query terms at `rows`; a term may stand there twice."""
    spans = [
        slice(start, end) for start, end in zip(impacts.starts[rows], impacts.starts[rows + 1], strict=True)
    ]
    if not spans:
        return np.zeros(impacts.count, dtype=np.float32)
    trials = np.concatenate([impacts.trials[span] for span in spans])
    added = np.concatenate([impacts.impacts[span] for span in spans])
    return np.bincount(trials, added, impacts.count).astype(np.float32)


def count_terms(texts: pl.Series, numbers: dict[str, int]) -> pl.DataFrame:
    """Return `trial`, `term`, `count`: how often each term stands in each text; null texts have none.

    A term is its number in `numbers`, to which new terms are added: their texts would fill the memory.
    """
    parts = []
    for offset in range(0, len(texts), SLICE):
        part = pl.DataFrame({"text": texts.slice(offset, SLICE)}).with_row_index("trial", offset)
        tokens = (
            part.lazy()
            .select("trial", split_tokens(pl.col("text")).alias("token"))
            .explode("token")
            .drop_nulls()
            .group_by("trial", "token")
            .len("count")
            .collect()
        )
        terms = english_terms(tokens["token"].unique())
        numbered = [numbers.setdefault(term, len(numbers)) for term in terms["term"]]
        terms = terms.with_columns(pl.Series("term", numbered, dtype=pl.UInt32))
        parts.append(tokens.join(terms, on="token").group_by("trial", "term").agg(pl.col("count").sum()))
    empty = pl.DataFrame(schema={"trial": pl.UInt32, "term": pl.UInt32, "count": pl.UInt32})
    return pl.concat([empty, *parts])


def lucene_length(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return lengths as Lucene's one-byte norms give them back (its SmallFloat): four leading bits."""
    rest = np.maximum(lengths - _EXACT_LENGTHS, 0)
    step = 1 << np.maximum(np.frexp(rest)[1] - 4, 0).astype(np.int64)
    rounded: NDArray[np.int64] = np.where(
        lengths < _EXACT_LENGTHS, lengths, _EXACT_LENGTHS + rest // step * step
    )
    return rounded


def _field_impacts(texts: pl.Series, bm25: Bm25Params, numbers: dict[str, int]) -> pl.DataFrame:
    counts = count_terms(texts, numbers)
    lengths = counts.group_by("trial").agg(pl.col("count").sum().cast(pl.Int64).alias("length"))
    trials = lengths.height
    frequency = pl.len().over("term")
    idf = (1 + (trials - frequency + 0.5) / (frequency + 0.5)).log()
    stored = lengths["length"].to_numpy()
    norms = bm25.k1 * (1 - bm25.b + bm25.b * lucene_length(stored) / (stored.mean() if trials else 1.0))
    # Elasticsearch kept the constant factor k1 + 1, which Lucene dropped.
    impact = (bm25.k1 + 1) * idf * (1 - 1 / (1 + pl.col("count") / pl.col("norm")))
    return counts.join(lengths.with_columns(norm=norms), on="trial").select(
        "term", "trial", impact.alias("impact")
    )
