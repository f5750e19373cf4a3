"""What writers are worth whose worth is known, and how often the interval of the worth holds the truth.

The writers are those of `tests.unit.study.known_writers`, on the simulated corpus. The coverage is that of a
world where all is known and a fit costs nothing: normal features, the classifier of the nearest centroid.
"""

from __future__ import annotations

import os
import pickle
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from tests.unit.study.known_writers import WRITER_ARMS, known_corpus
from tests.unit.study.plain_study import CURVE, POOL, SIZE, plain_study
from trialforge.core.params import load_section
from trialforge.learning.params import LearningParams
from trialforge.study.exchange import exchange_rate
from trialforge.study.params import StudyParams
from trialforge.study.study import run_study

SEED = 41
BLOCKS = int(os.environ.get("BENCH_BLOCKS", "240"))
TESTS = int(os.environ.get("BENCH_TESTS", "1500"))
STUDIES = int(os.environ.get("BENCH_STUDIES", "400"))
POOLS = int(os.environ.get("BENCH_POOLS", "120"))
EXPECTED = {"true": "1", "permuted": "at most 0", "copies": "0", "mistaken": "between 0 and 1"}


def main() -> None:
    """Print all figures."""
    _known_writers()
    _coverage()
    _time_all_arms()


def _known_writers() -> None:
    learning = load_section(LearningParams, "learning")
    params = StudyParams(pools=POOLS, sizes=(POOL,), curve=CURVE, draws=100, arms=WRITER_ARMS, primary="true")
    start = time.perf_counter()
    corpus = known_corpus(blocks=BLOCKS, size=SIZE, tests=TESTS, fields=learning.fields, seed=SEED)
    print(
        f"{BLOCKS} blocks of {SIZE} and {corpus.test.height} test trials, {time.perf_counter() - start:.0f} s"
    )
    start = time.perf_counter()
    result = run_study(corpus, params, learning, SEED)
    print(f"{len(result.areas) * params.pools} pools trained and scored, {time.perf_counter() - start:.0f} s")
    if folder := os.environ.get("BENCH_KEEP"):
        Path(folder, "worth.pickle").write_bytes(pickle.dumps(result))
    curve = result.curve("tfidf-logreg")
    print("real trials alone: " + ", ".join(f"{n} {areas.mean:.4f}" for n, areas in sorted(curve.items())))
    for arm in WRITER_ARMS:
        areas = result.areas["tfidf-logreg", arm.name, POOL]
        worth = exchange_rate(curve, areas, SIZE * POOL, clusters=result.clusters, level=params.level)
        half = (worth.high - worth.low) / 2
        print(
            f"{arm.name}: {areas.mean:.4f}, worth {worth.value:.3f} "
            f"({worth.low:.3f} to {worth.high:.3f}; half {half:.3f}), expected {EXPECTED[arm.name]}"
        )


def _coverage() -> None:
    """Print how often intervals hold the truth, for a writer of the truth and one of nothing."""
    for name, truth in (("true", 1.0), ("nothing", None)):
        start = time.perf_counter()
        studies = [plain_study(number, name) for number in range(STUDIES)]
        gap = float(np.mean([test.value for _, test in studies]))
        intervals = [test.interval(0.95) for _, test in studies]
        held = np.mean([low <= gap <= high for low, high in intervals])
        print(f"{name}: the difference in ROC-AUC is held in {held:.3f}")
        if truth is not None:
            held = np.mean([worth.low <= truth <= worth.high for worth, _ in studies])
            print(f"{name}: the worth is held in {held:.3f}")
        print(f"  of {STUDIES} studies, {time.perf_counter() - start:.0f} s")


def _time_all_arms() -> None:
    """Print how long the study of params.yaml takes without generation: all arms, both classifiers."""
    learning, study = load_section(LearningParams, "learning"), load_section(StudyParams, "study")
    corpus = known_corpus(blocks=48, size=SIZE, tests=TESTS, fields=learning.fields, seed=SEED)
    drafts = corpus.pool.real.with_columns(origin=pl.lit("held-back-as-drafts"))
    corpus = replace(corpus, pool=replace(corpus.pool, as_drafts=drafts))
    arms = tuple(arm.model_copy(update={"generation_arm": "true"}) for arm in study.arms)
    params = study.model_copy(
        update={"arms": arms, "pools": 40, "models": ("tfidf-logreg", "embedding-logreg")}
    )
    start = time.perf_counter()
    result = run_study(corpus, params, learning, SEED)
    print(f"{len(arms)} arms, 40 pools a size, both classifiers: {time.perf_counter() - start:.0f} s")
    print(f"  {40 * len(result.areas)} pools in all, {TESTS} test trials, embedding included")
