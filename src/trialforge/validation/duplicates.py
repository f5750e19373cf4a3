"""Which records are near-duplicates of a real trial, or of a record before them?"""

from __future__ import annotations

import numpy as np
import polars as pl

from trialforge.trial.near_duplicates import CHUNK, near_pairs, sketch_texts
from trialforge.validation.neighbours import distance_blocks
from trialforge.validation.params import DuplicateParams


def find_near_copies(texts: pl.Series, train_texts: pl.Series, params: DuplicateParams) -> pl.DataFrame:
    """Return, by record, the most alike train trial and earlier record by Jaccard of 5-grams.

    Columns: `train_row`, `train_jaccard`, `sibling_row`, `sibling_jaccard`; null and 0 where nothing
    reaches `max_jaccard`.
    """
    begin, both = len(train_texts), pl.concat([train_texts.alias("text"), texts.alias("text")], rechunk=False)
    chunks = (both[start : start + CHUNK] for start in range(0, len(both), CHUNK))
    sketches = sketch_texts(chunks, params.max_jaccard, params.permutations)
    near: dict[int, list[tuple[int, float]]] = {}
    for row, other, share in near_pairs(sketches, both.gather, params.max_jaccard, begin):
        near.setdefault(row, []).append((other, share))
    found = []
    for row in range(begin, len(both)):
        train = [(share, -other) for other, share in near.get(row, []) if other < begin]
        siblings = [(share, begin - other) for other, share in near.get(row, []) if other >= begin]
        best = [max(side, default=None) for side in (train, siblings)]
        found.append([value for one in best for value in ((-one[1], one[0]) if one else (None, 0.0))])
    schema = {
        "train_row": pl.Int64,
        "train_jaccard": pl.Float64,
        "sibling_row": pl.Int64,
        "sibling_jaccard": pl.Float64,
    }
    return pl.DataFrame(found, schema=schema, orient="row")


def find_close(rows: np.ndarray, train_rows: np.ndarray, max_cosine: float) -> pl.DataFrame:
    """Return `train_row` and `sibling_row`: the nearest train trial and earlier record of each unit row.

    Null where its cosine is below `max_cosine`; all null at a bound of 1, where only what is equal counts,
    which `find_near_copies` finds.
    """
    nearest = {"train_row": highest_cosine(rows, train_rows), "sibling_row": highest_cosine(rows)}
    return pl.DataFrame(
        {
            name: [
                place if cosine >= max_cosine and max_cosine < 1 else None
                for cosine, place in zip(cosines, places.tolist(), strict=True)
            ]
            for name, (cosines, places) in nearest.items()
        },
        schema=dict.fromkeys(nearest, pl.Int64),
    )


def highest_cosine(rows: np.ndarray, others: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest cosine of each unit row with any of `others`, and which one has it.

    With `others` None a row meets the rows before it. It is -1 where there is none to meet.
    """
    highest, places = np.full(len(rows), -1.0), np.zeros(len(rows), dtype=np.int64)
    if others is not None and not len(others):
        return highest, places
    for covered, distances in distance_blocks(rows, rows if others is None else others):
        if others is None:
            later = np.arange(len(rows))[None, :] >= np.arange(covered.start, covered.stop)[:, None]
            distances[later] = np.inf
        places[covered] = distances.argmin(axis=1)
        nearest = distances.min(axis=1)
        highest[covered] = np.where(np.isfinite(nearest), 1 - nearest**2 / 2, -1.0)
    return highest, places
