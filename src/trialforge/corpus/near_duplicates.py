"""Trials that say nearly the same: proposed by MinHash, decided by the exact share of equal word runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from zlib import crc32

import numpy as np
import polars as pl
from datasketch import MinHash, MinHashLSH

from trialforge.text import trial_text

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
RUN = 5
_PERMUTATIONS = 128
_CHUNK = 4096
_BASE = np.uint64(0x9E3779B97F4A7C15)


def near_duplicate_pairs(trials: pl.DataFrame, threshold: float) -> list[tuple[str, str]]:
    """Return pairs of ids whose texts share at least `threshold` of their runs of 5 words (Jaccard).

    Of several trials with the very same text each is paired with the first one only.
    """
    first_of: dict[bytes, str] = {}
    runs_of: dict[str, np.ndarray] = {}
    pairs: list[tuple[str, str]] = []
    lsh = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, weights=(0.1, 0.9))
    empty = MinHash(num_perm=_PERMUTATIONS, scheme="affine32", hashfunc=int)
    for nct_id, runs in _word_runs(trials.sort("nct_id")):
        first = first_of.setdefault(runs.tobytes(), nct_id)
        if first != nct_id:
            pairs.append((first, nct_id))
            continue
        sketch = empty.copy()
        sketch.update_batch(runs)
        for other in sorted(map(str, lsh.query(sketch))):
            if _jaccard(runs, runs_of[other]) >= threshold:
                pairs.append((other, nct_id))
        lsh.insert(nct_id, sketch, check_duplication=False)
        runs_of[nct_id] = runs
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


def _word_runs(trials: pl.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Yield for each trial with text its id and the sorted distinct hashes (32 bits) of its word runs."""
    for chunk in trials.iter_slices(_CHUNK):
        texts = chunk.select("nct_id", trial_text(FIELDS))
        words = texts.select("nct_id", pl.col("text").str.to_lowercase().str.extract_all(r"\w+")).explode(
            "text"
        )
        words = words.drop_nulls()
        distinct = words["text"].unique().sort()
        hashes = pl.DataFrame({"text": distinct, "hash": [crc32(word.encode()) for word in distinct]})
        hashed = words.join(hashes, on="text", maintain_order="left")
        values = hashed["hash"].to_numpy().astype(np.uint64)
        starts = hashed["nct_id"].rle().struct.unnest()
        bounds = [0, *starts["len"].cum_sum()]
        for nct_id, (begin, end) in zip(starts["value"], pairwise(bounds), strict=True):
            yield nct_id, _hash_runs(values[begin:end])


def _hash_runs(words: np.ndarray) -> np.ndarray:
    length = max(len(words) - RUN + 1, 1)
    mixed = np.zeros(length, np.uint64)
    for place in range(min(RUN, len(words))):
        mixed = mixed * _BASE + words[place : place + length]
    return np.unique((mixed * _BASE >> np.uint64(32)).astype(np.uint32))


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    shared = np.intersect1d(one, other, assume_unique=True).size
    return float(shared / (one.size + other.size - shared))
