"""Trials that say nearly the same, and the groups that they make."""

from __future__ import annotations

import polars as pl

from trialforge.trial.near_duplicates import NearDuplicates, hash_ngrams
from trialforge.trial.text import trial_text

# What a trial is about. Left out: what all trials of a sponsor share, and what says little by itself.
FIELDS = (
    "title",
    "conditions",
    "interventions",
    "summary",
    "arms",
    "primary_outcomes",
    "criteria",
    "detailed_description",
)


def near_duplicate_pairs(trials: pl.DataFrame, threshold: float) -> list[tuple[str, str]]:
    """Return pairs of ids whose texts share at least `threshold` of their 5-grams (Jaccard).

    Of several trials with the very same text each is paired with the first one only.
    """
    texts = trials.sort("nct_id").select("nct_id", trial_text(FIELDS))
    first_of: dict[bytes, str] = {}
    pairs: list[tuple[str, str]] = []
    known = NearDuplicates(threshold)
    for row, (nct_id, ngrams) in enumerate(zip(texts["nct_id"], hash_ngrams(texts["text"]), strict=True)):
        if not len(ngrams):
            continue
        first = first_of.setdefault(ngrams.tobytes(), nct_id)
        if first != nct_id:
            pairs.append((first, nct_id))
        else:
            pairs += [(texts["nct_id"][other], nct_id) for other, _ in known.find_and_add(row, ngrams)]
    return pairs


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
