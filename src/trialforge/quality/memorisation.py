"""Do records repeat long n-grams: of the exemplars shown, of the pool, or of trials they never saw?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.resampling import Clusters, bootstrap_difference
from trialforge.quality.case import FREE_TEXTS, Case, prose_texts
from trialforge.quality.metric import Direction, Estimate, Metric, bootstrap_mean, mean_of_records
from trialforge.trial.overlap import Overlap, match_ngrams
from trialforge.trial.text import keep_filled
from trialforge.trial.words import Words, number_words

T = TypeVar("T")
LENGTHS = (8, 13, 25, 50, 100)
GAP_LENGTH = 13


@dataclass(frozen=True, slots=True)
class Ngrams:
    """Overlaps of records with train, what each was shown, held-out and unseen trials; and of real trials.

    `real` and `real_unseen` are those of held-out trials with train and with unseen trials.
    """

    pool: Overlap
    shown: Overlap | None
    held_out: Overlap | None
    unseen: Overlap | None
    real: Overlap | None
    real_unseen: Overlap | None
    gap: np.ndarray | None
    real_gap: np.ndarray | None


@lru_cache(maxsize=4)
def match_case(case: Case) -> Ngrams:
    """Return the overlaps of a case, read once for all measures.

    Records and what they are looked up in are read in all their free text, so that no rarely filled field
    hides a copy. Held-out trials that are looked up, to say how much real trials share, are read in the
    free texts that at least half of the records have: more text would have more n-grams. These come first in
    every text, since a run may go on in the next field and one that few fill would break it.
    """
    usual = keep_filled(case.candidates.frame, FREE_TEXTS, 0.5)
    order = [*usual, *(name for name in FREE_TEXTS if name not in usual)]
    sides = {
        "records": case.candidates,
        "train": case.pool,
        "held_out": case.held_out,
        "unseen": case.unseen,
    }
    texts = {name: prose_texts(side.frame, order) for name, side in sides.items() if side}
    if case.held_out:
        texts["real"] = prose_texts(case.held_out.frame, usual)
    words = dict(zip(texts, number_words(*texts.values()), strict=True))

    def match(queries: str, references: str) -> Overlap | None:
        there = {queries, references} <= set(words)
        return match_ngrams(words[queries], words[references]) if there else None

    return Ngrams(
        pool=match_ngrams(words["records"], words["train"]),
        shown=_match_shown(case, words["records"], words["train"]),
        held_out=match("records", "held_out"),
        unseen=match("records", "unseen"),
        real=match("real", "train"),
        real_unseen=match("real", "unseen"),
        gap=_test_gap(case, words, "records"),
        real_gap=_test_gap(case, words, "real"),
    )


def shown_trials(case: Case) -> pl.DataFrame:
    """Return `record` and `trial`, row numbers of each record and each train trial that it was shown."""
    if "exemplars" not in case.candidates.frame.columns:
        return pl.DataFrame(schema={"record": pl.UInt32, "trial": pl.UInt32})
    records = case.candidates.frame.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("record"), "exemplars"
    )
    trials = case.pool.frame.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("trial"), "nct_id")
    pairs = records.explode("exemplars").drop_nulls().rename({"exemplars": "nct_id"})
    return pairs.join(trials, on="nct_id").select("record", "trial").unique().sort("record", "trial")


def _match_shown(case: Case, records: Words, train: Words) -> Overlap | None:
    pairs = shown_trials(case)
    if not len(pairs):
        return None
    shown = train.take(pairs["trial"].to_numpy())
    return match_ngrams(records, shown, (np.arange(len(records)), pairs["record"].to_numpy()))


def _test_gap(case: Case, words: dict[str, Words], name: str) -> np.ndarray | None:
    """Return, by text, shared 13-grams with unseen trials minus with as many train trials; None without."""
    if not {name, "unseen"} <= set(words):
        return None
    train, unseen = words["train"], words["unseen"]
    size = min(len(train), len(unseen))
    stream = case.scale.stream("memorisation", "gap")
    drawn = train.take(np.sort(stream.choice(len(train), size, replace=False)))
    fresh = unseen.take(np.sort(stream.choice(len(unseen), size, replace=False)))
    with_unseen, with_train = (
        match_ngrams(words[name], others).has_ngram(GAP_LENGTH) for others in (fresh, drawn)
    )
    gap: np.ndarray = with_unseen.astype(np.float64) - with_train
    return gap


def _need(found: T | None, what: str) -> T:
    if found is None:
        raise MetricError(f"the set has no {what}")
    return found


def _share(
    case: Case, overlap: Overlap, length: int, beyond: Overlap | None = None, *, of_real: bool = False
) -> Estimate:
    stream, has = case.scale.stream("memorisation", length), overlap.has_ngram(length, beyond)
    clusters = None if of_real else case.candidates.clusters
    return bootstrap_mean(has, stream, case.params.bootstrap, clusters)


def pool_13(case: Case) -> Estimate:
    """Share of records with a 13-gram of a train trial (13-gram overlap, Brown et al. 2020).

    Real trials share much boilerplate: read it beside `memorisation.real_13`.
    """
    return _share(case, match_case(case).pool, 13)


def pool_50(case: Case) -> Estimate:
    """Share of records with a 50-gram that stands in a train trial."""
    return _share(case, match_case(case).pool, 50)


def real_13(case: Case) -> Estimate:
    """Share of held-out real trials with a 13-gram that stands in a train trial."""
    return _share(case, _need(match_case(case).real, "held-out trials"), 13, of_real=True)


def any_100(case: Case) -> Estimate:
    """Share of records with a 100-gram of any real trial, train, held-out or unseen."""
    has = np.any([overlap.has_ngram(100) for overlap in _real_parts(case).values()], axis=0)
    return mean_of_records(has, case, "memorisation", "any")


def _real_parts(case: Case) -> dict[str, Overlap]:
    """Return the overlaps of records with each part of the real trials that is there."""
    ngrams = match_case(case)
    parts = {"train": ngrams.pool, "validation": ngrams.held_out, "test": ngrams.unseen}
    return {name: overlap for name, overlap in parts.items() if overlap is not None}


def longest_ngram(case: Case) -> Estimate:
    """Words of the longest run that a record shares with a train trial; a maximum has no interval."""
    return Estimate(float(match_case(case).pool.longest.max()), n=len(case.candidates))


def shown_25(case: Case) -> Estimate:
    """Share of records with a 25-gram of an exemplar that their own prompt showed: prompt copying."""
    return _share(case, _need(match_case(case).shown, "record whose exemplars are train trials"), 25)


def unshown_25(case: Case) -> Estimate:
    """Share of records with a 25-gram of an unseen trial that no train trial has.

    Boilerplate or pre-training memory: only what is above `memorisation.real_unseen_25` speaks of memory.
    """
    ngrams = match_case(case)
    return _share(case, _need(ngrams.unseen, "unseen trials"), 25, beyond=ngrams.pool)


def real_unseen_25(case: Case) -> Estimate:
    """Share of held-out real trials with a 25-gram of an unseen trial that no train trial has.

    What real trials share by boilerplate alone: no one wrote them from memory of each other.
    """
    ngrams = match_case(case)
    return _share(
        case, _need(ngrams.real_unseen, "held-out and unseen trials"), 25, ngrams.real, of_real=True
    )


def gap_to_test(case: Case) -> Estimate:
    """Share of records with a 13-gram of a test trial, minus that with one of as many train trials.

    Near 0 or below is right; above it the generator knows the test part.
    """
    gap = _need(match_case(case).gap, "unseen trials")
    return mean_of_records(gap, case, "memorisation", "gap")


def surely_known(case: Case) -> Estimate:
    """How much `test_gap` is surely above 0 and above that of validation trials; 0 where it is not.

    The lower end of the 95% interval of the difference. Of ten records one may share a phrase with a test
    trial by chance, and validation trials, which are as new as test trials, share what is newly in use.
    """
    ngrams = match_case(case)
    gap, real = _need(ngrams.gap, "unseen trials"), ngrams.real_gap
    usual = np.zeros(2) if real is None or len(real) < 2 else real
    low, _ = bootstrap_difference(
        lambda places: float(gap[places].mean()),
        lambda places: max(float(usual[places].mean()), 0.0),
        (case.candidates.clusters, Clusters.single(len(usual))),
        case.scale.stream("memorisation", "known"),
        case.params.bootstrap,
    )
    return Estimate(max(low or 0.0, 0.0), n=len(gap))


def overlap_table(case: Case) -> pl.DataFrame:
    """Return shares of texts with a shared run, by set, reference and length, with intervals and coverage."""
    ngrams = match_case(case)
    found = {
        ("synthetic", "exemplars shown"): ngrams.shown,
        ("synthetic", "train"): ngrams.pool,
        ("synthetic", "held out"): ngrams.held_out,
        ("synthetic", "unseen"): ngrams.unseen,
        ("held out", "train"): ngrams.real,
        ("held out", "unseen"): ngrams.real_unseen,
    }
    rows = []
    for (name, reference), overlap in found.items():
        if overlap is None:
            continue
        for length in LENGTHS:
            share = _share(case, overlap, length, of_real=name == "held out")
            numbers = (share.value, share.low, share.high, float(overlap.covered(length).mean()))
            rounded = (None if number is None else round(number, 4) for number in numbers)
            rows.append((name, reference, length, *rounded, share.n))
    names = ["set", "reference", "words", "share", "low", "high", "covered", "n"]
    return pl.DataFrame(rows, schema=names, orient="row")


def worst_ngrams(case: Case, most: int = 3) -> list[str]:
    """Return the records that share the longest n-grams with real trials, and the part of each trial."""
    parts = _real_parts(case)
    longest = np.array([overlap.longest for overlap in parts.values()])
    ids, names = case.candidates.frame["nct_id"], list(parts)
    return [
        f"{ids[int(place)]}: {longest[:, place].max()} words of a {names[longest[:, place].argmax()]} trial"
        for place in np.argsort(-longest.max(axis=0), kind="stable")[:most]
    ]


def worst_gaps(case: Case, most: int = 3) -> list[str]:
    """Return the records that know test trials better than as many train trials, by their longest run."""
    ngrams = match_case(case)
    if ngrams.gap is None or ngrams.unseen is None:
        return []
    longest = np.where(ngrams.gap > 0, ngrams.unseen.longest, 0)
    order = [place for place in np.argsort(-longest, kind="stable")[:most] if longest[place]]
    ids = case.candidates.frame["nct_id"]
    rest = f"and no {GAP_LENGTH} of any of as many train trials"
    return [f"{ids[int(place)]}: {longest[place]} words of a test trial, {rest}" for place in order]


METRICS = (
    Metric("memorisation.train_13", Direction.REAL, 0, 1, pool_13),
    Metric("memorisation.train_50", Direction.LOWER, 0, 1, pool_50, headline=False),
    Metric("memorisation.real_13", Direction.REAL, 0, 1, real_13),
    Metric("memorisation.any_100", Direction.LOWER, 0, 1, any_100),
    Metric("memorisation.longest_ngram", Direction.LOWER, 0, float("inf"), longest_ngram),
    Metric("memorisation.shown_25", Direction.LOWER, 0, 1, shown_25),
    Metric("memorisation.unseen_25", Direction.LOWER, 0, 1, unshown_25),
    Metric("memorisation.real_unseen_25", Direction.REAL, 0, 1, real_unseen_25),
    Metric("leakage.test_gap", Direction.LOWER, -1, 1, gap_to_test),
    Metric("leakage.test_known", Direction.LOWER, 0, 1, surely_known, headline=False),
)
