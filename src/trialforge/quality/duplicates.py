"""Which records are near-duplicates of a real trial, or of a record before them?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from datasketch import MinHash, MinHashLSH

from trialforge.quality.neighbours import distance_blocks
from trialforge.quality.params import DuplicateParams
from trialforge.quality.words import split_words

SHINGLE_WORDS = 5


def shingle_sets(texts: pl.Series) -> list[set[str]]:
    """Return the set of runs of 5 words of each text; a shorter text is one run."""
    return [
        {" ".join(words[i : i + SHINGLE_WORDS]) for i in range(max(1, len(words) - SHINGLE_WORDS + 1))}
        for words in split_words(texts).to_list()
    ]


def jaccard(left: set[str], right: set[str]) -> float:
    """Return the share of the runs of either that both have."""
    return len(left & right) / max(len(left | right), 1)


def sketch_sets(sets: list[set[str]], permutations: int) -> Iterator[MinHash]:
    """Yield the MinHash of each set (Broder 1997)."""
    for shingles in sets:
        sketch = MinHash(num_perm=permutations, seed=1)
        sketch.update_batch([shingle.encode() for shingle in sorted(shingles)])
        yield sketch


def find_near_copies(texts: pl.Series, train_texts: pl.Series, params: DuplicateParams) -> pl.DataFrame:
    """Return, by record, the most alike train trial and earlier record by Jaccard of 5-word runs.

    MinHash proposes, the exact Jaccard decides. Columns: `train_row`, `train_jaccard`, `sibling_row`,
    `sibling_jaccard`; null and 0 where nothing reaches `max_jaccard`.
    """
    sets, train_sets = shingle_sets(texts), shingle_sets(train_texts)
    # A little lower than the bound: a sketch errs to both sides.
    threshold = max(0.05, params.max_jaccard - 0.15)
    index = MinHashLSH(threshold=threshold, num_perm=params.permutations)
    for row, sketch in enumerate(sketch_sets(train_sets, params.permutations)):
        index.insert(("train", row), sketch)
    found = []
    for row, sketch in enumerate(sketch_sets(sets, params.permutations)):
        best: dict[str, tuple[float, int]] = {}
        for side, other in sorted(index.query(sketch)):
            alike = jaccard(sets[row], train_sets[other] if side == "train" else sets[other])
            if alike >= params.max_jaccard and alike > best.get(side, (0.0, 0))[0]:
                best[side] = (alike, other)
        index.insert(("sibling", row), sketch)
        train, sibling = best.get("train", (0.0, None)), best.get("sibling", (0.0, None))
        found.append((train[1], train[0], sibling[1], sibling[0]))
    schema = {
        "train_row": pl.Int64,
        "train_jaccard": pl.Float64,
        "sibling_row": pl.Int64,
        "sibling_jaccard": pl.Float64,
    }
    return pl.DataFrame(found, schema=schema, orient="row")


def nearest_cosine(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the highest cosine of each unit row with any of the other unit rows."""
    highest = np.full(len(rows), -1.0)
    if len(others):
        for covered, distances in distance_blocks(rows, others):
            highest[covered] = 1 - distances.min(axis=1) ** 2 / 2
    return highest


def earlier_cosine(rows: np.ndarray) -> np.ndarray:
    """Return the highest cosine of each unit row with a row before it; -1 for the first."""
    highest = np.full(len(rows), -1.0)
    for covered, distances in distance_blocks(rows, rows):
        later = np.arange(len(rows))[None, :] >= np.arange(covered.start, covered.stop)[:, None]
        distances[later] = np.inf
        nearest = distances.min(axis=1)
        highest[covered] = np.where(np.isfinite(nearest), 1 - nearest**2 / 2, -1.0)
    return highest
