"""How different are the records of a set from each other?"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.resampling import jackknife_groups, jackknife_interval
from trialforge.quality.case import Case, Side
from trialforge.quality.metric import Direction, Estimate, Metric, jackknife_statistic, mean_of_records
from trialforge.trial.words import Words, number_words
from trialforge.validation.duplicates import find_near_copies

BLEU_ORDER = 4
BLEU_EPSILON = 0.1


def number_ngrams(words: Words, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the text and the number of each n-gram of `length` words; equal n-grams have equal numbers."""
    keys, places = words.ids, np.arange(len(words.ids))
    ends = words.ends
    for grown in range(1, length):
        goes_on = places + grown < ends[places]
        keys, places = keys[goes_on], places[goes_on]
        keys = np.unique(keys * words.vocabulary + words.ids[places + grown], return_inverse=True)[1]
    return words.owners[places], keys


def self_bleu_scores(words: Words) -> np.ndarray:
    """Return the BLEU-4 of each text against all others as references (Zhu et al. 2018, Texygen).

    A run's count is clipped by its highest count in any other text, which the two highest counts of
    each n-gram tell, so that the time is linear in the words. N-grams that match nowhere count .1 (the first
    smoothing of Chen and Cherry 2014); the brevity penalty takes the closest length, the shorter of two.
    """
    n = len(words)
    logs = np.zeros(n)
    dead = words.lengths == 0
    for length in range(1, BLEU_ORDER + 1):
        owners, ngrams = number_ngrams(words, length)
        counts = pl.DataFrame({"text": owners, "run": ngrams}).group_by("text", "run").len("count")
        best = (
            counts.sort("count", "text", descending=[True, False])
            .group_by("run", maintain_order=True)
            .agg(
                first=pl.col("count").first(),
                holder=pl.col("text").first(),
                second=pl.col("count").get(1, null_on_oob=True),
            )
        )
        clipped = (
            counts.join(best, on="run")
            .with_columns(
                most=pl.when(pl.col("text") == pl.col("holder"))
                .then(pl.col("second").fill_null(0))
                .otherwise("first")
            )
            .group_by("text")
            .agg(matched=pl.min_horizontal("count", "most").sum())
        )
        matched = np.zeros(n)
        matched[clipped["text"].to_numpy()] = clipped["matched"].to_numpy()
        if length == 1:
            dead |= matched == 0
        possible = np.maximum(words.lengths - length + 1, 1)
        logs += np.log(np.where(matched > 0, matched, BLEU_EPSILON) / possible) / BLEU_ORDER
    scores = np.exp(logs) * _brevity(words.lengths)
    return np.where(dead, 0.0, scores)


def _brevity(lengths: np.ndarray) -> np.ndarray:
    """Return the brevity penalty of each text against the closest length of another text."""
    if len(lengths) < 2:
        return np.zeros(len(lengths))
    order = np.argsort(lengths, kind="stable")
    ranked = lengths[order].astype(np.float64)
    below = np.concatenate([[-np.inf], ranked[:-1]])
    above = np.concatenate([ranked[1:], [np.inf]])
    closest = np.where(ranked - below <= above - ranked, below, above)
    penalty = np.empty(len(lengths))
    penalty[order] = np.where(ranked >= closest, 1.0, np.exp(1 - closest / np.maximum(ranked, 1)))
    return penalty


def distinct_share(words: Words, length: int) -> float:
    """Return the share of all n-grams of `length` words that are different (Li et al. 2016, distinct-n)."""
    _, ngrams = number_ngrams(words, length)
    return len(np.unique(ngrams)) / max(len(ngrams), 1)


def vendi_score(rows: np.ndarray) -> float:
    """Return the effective number of different rows by their cosines (Friedman and Dieng 2023).

    It is the exponential of the entropy of the eigenvalues of K / n; those of the small matrix of
    directions are the same, so that n rows need no n by n matrix.
    """
    if not len(rows):
        return 0.0
    smaller = rows.T @ rows if rows.shape[1] < len(rows) else rows @ rows.T
    values = np.linalg.eigvalsh(smaller)
    shares = values[values > 1e-12] / values[values > 1e-12].sum() if (values > 1e-12).any() else np.ones(1)
    return float(np.exp(-(shares * np.log(shares)).sum()))


def mean_pairwise_distance(rows: np.ndarray) -> float:
    """Return the mean cosine distance of two different unit rows, from their sum alone."""
    n = len(rows)
    if n < 2:
        return 0.0
    total = rows.sum(axis=0)
    return float(1 - (total @ total - np.einsum("ij,ij->", rows, rows)) / (n * (n - 1)))


@lru_cache(maxsize=8)
def _words(side: Side) -> Words:
    return number_words(side.texts)[0]


def _need_two(case: Case) -> None:
    if len(case.candidates) < 2:
        raise MetricError("one record alone has no other to compare with")


def self_bleu(case: Case) -> Estimate:
    """Mean BLEU-4 of each record against all others; high where they repeat each other (Zhu et al. 2018)."""
    _need_two(case)
    return mean_of_records(self_bleu_scores(_words(case.candidates)), case, "self-bleu")


def distinct_2(case: Case) -> Estimate:
    """Share of pairs of words that are different, over all records (Li et al. 2016); falls with length."""
    owners, ngrams = number_ngrams(_words(case.candidates), 2)
    groups = jackknife_groups(case.candidates.clusters)
    group = np.zeros(len(case.candidates), dtype=np.int64)
    for number, rows in enumerate(groups):
        group[rows] = number
    of_ngrams = group[owners]
    size = 1 + int(ngrams.max(initial=-1))  # they are numbered from 0
    has = [np.bincount(ngrams[of_ngrams == number], minlength=size) > 0 for number in range(len(groups))]
    holders = np.sum(has, axis=0)
    left_out = [
        np.count_nonzero(holders > mine) / max(int((of_ngrams != number).sum()), 1)
        for number, mine in enumerate(has)
    ]
    value = size / max(len(ngrams), 1)
    return Estimate(value, *jackknife_interval(value, left_out), len(case.candidates))


def vendi(case: Case) -> Estimate:
    """Vendi score: effective number of different records in the space (Friedman and Dieng 2023)."""
    rows = case.candidates.rows
    return jackknife_statistic(lambda places: vendi_score(rows[places]), case.candidates.clusters)


def pairwise_distance(case: Case) -> Estimate:
    """Mean cosine distance of two records in the space."""
    _need_two(case)
    rows = case.candidates.rows
    return jackknife_statistic(lambda places: mean_pairwise_distance(rows[places]), case.candidates.clusters)


@lru_cache(maxsize=8)
def _near_copies(case: Case) -> np.ndarray:
    texts = case.candidates.texts
    found = find_near_copies(texts, texts.clear(), case.scale.validation.duplicates)
    return found["sibling_row"].is_not_null().to_numpy()


def _exact_copies(side: Side) -> np.ndarray:
    return (~side.texts.is_first_distinct()).to_numpy()


def near_copy_share(case: Case) -> Estimate:
    """Share of records that are near-copies of an earlier one, by the Jaccard of their 5-grams."""
    return mean_of_records(_near_copies(case), case, "near-copies")


def exact_copy_share(case: Case) -> Estimate:
    """Share of records whose text is that of an earlier one, word for word."""
    return mean_of_records(_exact_copies(case.candidates), case, "exact-copies")


def diversity_table(case: Case, least: int = 2) -> pl.DataFrame:
    """Return the diversity within each intervention and label that has `least` records or more.

    A near-copy counts where it stands, whichever group its original is of.
    """
    frame = case.candidates.frame.with_row_index("place")
    keys = [name for name in ("intervention", "label") if name in frame.columns]
    if not keys:
        return pl.DataFrame(schema={"records": pl.Int64})
    near = _near_copies(case)
    rows = []
    for group in frame.group_by(keys).agg("place").sort(keys).iter_rows(named=True):
        places = group.pop("place")
        if len(places) >= least:
            side = case.candidates.take(np.array(places))
            words = number_words(side.texts)[0]
            rows.append(
                group
                | {
                    "records": len(places),
                    "vendi": round(vendi_score(side.rows), 4),
                    "pairwise_distance": round(mean_pairwise_distance(side.rows), 4),
                    "distinct_2": round(distinct_share(words, 2), 4),
                    "self_bleu": round(float(self_bleu_scores(words).mean()), 4),
                    "exact_copies": round(float(_exact_copies(side).mean()), 4),
                    "near_copies": round(float(near[places].mean()), 4),
                }
            )
    return pl.DataFrame(rows)


METRICS = (
    Metric("diversity.self_bleu", Direction.REAL, 0, 1, self_bleu, yardstick=True),
    Metric("diversity.distinct_2", Direction.REAL, 0, 1, distinct_2, yardstick=True, headline=False),
    Metric("diversity.vendi", Direction.HIGHER, 0, float("inf"), vendi, yardstick=True),
    Metric("diversity.pairwise_distance", Direction.HIGHER, 0, 2, pairwise_distance, yardstick=True),
    Metric("diversity.exact_copies", Direction.LOWER, 0, 1, exact_copy_share, headline=False),
    Metric("diversity.near_copies", Direction.LOWER, 0, 1, near_copy_share, yardstick=True),
)
