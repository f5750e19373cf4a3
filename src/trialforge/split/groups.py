"""Trials that say nearly the same, and the groups that they make."""

from __future__ import annotations

import numpy as np
import polars as pl

from trialforge.trial.near_duplicates import CHUNK, near_pairs, sketch_texts
from trialforge.trial.text import trial_text

# What a trial is about. Left out: what all trials of a sponsor share, and what says little by itself.
FIELDS = (
    "title", "conditions", "interventions", "summary", "arms", "primary_outcomes", "criteria",
    "detailed_description",
)  # fmt: skip


def near_duplicate_pairs(trials: pl.DataFrame, threshold: float) -> list[tuple[str, str]]:
    """Return pairs of ids whose texts share at least `threshold` of their 5-grams (Jaccard).

    Of several trials with the very same text each is paired with the first one only.
    """
    order = trials["nct_id"].arg_sort().to_numpy()
    ids, told = trials["nct_id"].gather(order).to_list(), trials.select(FIELDS)

    def read(some: pl.DataFrame) -> pl.Series:
        return some.select(trial_text(FIELDS))["text"]

    # Texts are made as they are read: those of a large corpus together are as large as the corpus.
    sketches = sketch_texts(map(read, told.iter_slices(CHUNK)), threshold).take(order)
    first_of: dict[bytes, int] = {}
    firsts = np.array(
        [first_of.setdefault(text or b"%d" % at, at) for at, text in enumerate(sketches.digests)]
    )
    kept = np.flatnonzero(firsts == np.arange(len(ids)))
    near = near_pairs(sketches.take(kept), lambda places: read(told[order[kept[places]]]), threshold)
    pairs = [(int(kept[row]), int(kept[other])) for row, other, _ in near]
    pairs += [(row, first) for row, first in enumerate(firsts.tolist()) if row != first]
    return [(ids[other], ids[row]) for row, other in sorted(pairs)]


def group_trials(nct_ids: pl.Series, pairs: list[tuple[str, str]]) -> pl.DataFrame:
    """Return `nct_id` and `group`, the smallest id that a chain of pairs leads to."""
    root: dict[str, str] = {}

    def find(one: str) -> str:
        while root.setdefault(one, one) != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    for one, other in pairs:
        low, high = sorted((find(one), find(other)))
        root[high] = low
    return pl.DataFrame(
        {"nct_id": nct_ids, "group": [find(one) if one in root else one for one in nct_ids]},
        schema={"nct_id": pl.String(), "group": pl.String()},
    )
