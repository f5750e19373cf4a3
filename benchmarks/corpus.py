"""The corpus: what TF-IDF learns of 5,000 simulated trials, and the time of split and plan on real ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks._sample import SAMPLE, read_sample
from trialforge.simulation.corpus import simulate
from trialforge.simulation.model import best_roc_auc, success_probability
from trialforge.split.groups import group_trials, near_duplicate_pairs
from trialforge.split.params import PlanParams, SplitParams
from trialforge.split.plan import plan_targets
from trialforge.split.split import PARTS, check_split, split_trials
from trialforge.trial.leakage import registration_view, view_and_count
from trialforge.trial.people import scrub_people
from trialforge.trial.text import trial_text

T = TypeVar("T")
SEED = 20412
TRAIN, TEST = 5000, 2000
MANY = int(os.environ.get("BENCH_CORPUS_TRIALS", "50000"))


def main() -> None:
    """Print the figures; the real sample is left out where it is absent."""
    _learn_simulated()
    if not SAMPLE.is_file():
        print(f"no real sample at {SAMPLE}: its times are left out")
        return
    trials = read_sample()
    _timed(f"scrub people of {trials.height} trials", lambda: scrub_people(trials))
    _part(trials)
    copies = [
        trials.with_columns(
            # Each copy has words of its own, so that copies are not near-duplicates of each other.
            pl.col("nct_id") + f"-{number}",
            pl.col("summary", "criteria", "detailed_description").str.replace_all(
                r"(\w+) (\w+)", f"$1 {number} $2"
            ),
        )
        for number in range(MANY // trials.height + 1)
    ]
    many = pl.concat(copies).head(MANY)
    pairs = _timed(f"near-duplicates of {many.height} trials", lambda: near_duplicate_pairs(many, 0.8))
    print(f"  {len(pairs)} pairs")


def _timed(name: str, work: Callable[[], T]) -> T:
    start, busy = time.perf_counter(), time.process_time()
    result = work()
    print(
        f"{name}: {time.perf_counter() - start:.2f} s, processor {time.process_time() - busy:.2f} s",
        flush=True,
    )
    return result


def _learn_simulated() -> None:
    trials = _timed(f"simulate {TRAIN + TEST} trials", lambda: simulate(TRAIN + TEST, SEED))
    texts = registration_view(trials).select(trial_text()).to_series().to_list()
    success = (trials["status"] == "Completed").to_numpy()
    space = TfidfVectorizer(sublinear_tf=True, min_df=2)
    model = LogisticRegression(max_iter=2000).fit(space.fit_transform(texts[:TRAIN]), success[:TRAIN])
    score = model.predict_proba(space.transform(texts[TRAIN:]))[:, 1]
    chance = success_probability(trials)[TRAIN:]
    reached, best = roc_auc_score(success[TRAIN:], score), best_roc_auc(chance)
    print(f"ROC-AUC of TF-IDF and logistic regression {reached:.4f}; best reachable {best:.4f}")
    drawn = roc_auc_score(success[TRAIN:], chance)
    print(f"  apart {best - reached:.4f}; the true chance scores {drawn:.4f} on what was drawn")


def _part(trials: pl.DataFrame) -> None:
    pairs = _timed(f"near-duplicates of {trials.height} trials", lambda: near_duplicate_pairs(trials, 0.8))
    groups = group_trials(trials["nct_id"], pairs)
    for strategy in ("temporal", "intervention", "random"):
        params = SplitParams.model_validate(
            {"strategy": strategy, "test_size": 0.3, "validation_size": 0.1, "near_duplicate": 0.8}
        )
        split = _timed(f"split, {strategy}", lambda: split_trials(trials, groups, params, SEED))  # noqa: B023
        check_split(trials, split, pairs, strategy)
        sizes = dict(split["part"].value_counts().iter_rows())
        print("  " + ", ".join(f"{part} {sizes.get(part, 0)}" for part in (*PARTS, "dropped")))
    view, cuts = _timed("registration view, cuts counted", lambda: view_and_count(trials))
    print("  " + ", ".join(f"{name} {count}" for name, count in cuts["outcome_sentences_cut"].items()))
    pool = view.with_columns(trials["label"], trials["normalized_interventions"])
    params = PlanParams(
        min_success=3, min_failure=3, interventions=1000, records=10, arms=("retrieval-reasoning",)
    )
    plan = _timed("plan", lambda: plan_targets(pool, params, SEED))
    print(f"  {plan.height} targets of {plan['intervention'].n_unique()} interventions")
