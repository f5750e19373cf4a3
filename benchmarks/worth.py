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
from trialforge.core.params import load_section
from trialforge.learning.params import LearningParams
from trialforge.scoring.bootstrap import roc_auc
from trialforge.scoring.paired_tests import AreaTest
from trialforge.study.exchange import Areas, Worth, compare_areas, exchange_rate
from trialforge.study.params import StudyParams
from trialforge.study.study import draw_orders, run_study

SEED = 41
BLOCKS = int(os.environ.get("BENCH_BLOCKS", "240"))
TESTS = int(os.environ.get("BENCH_TESTS", "1500"))
STUDIES = int(os.environ.get("BENCH_STUDIES", "400"))
POOLS = int(os.environ.get("BENCH_POOLS", "120"))
SIZE, POOL = 25, 4
CURVE = (1, 2, 3, 4, 6, 8, 12, 16)
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


def plain_study(
    seed: int, writer: str, *, blocks: int = 24, pools: int = 48, tests: int = 300, draws: int = 60
) -> tuple[Worth, AreaTest]:
    """Return worth and gain of a writer in a study of normal features and nearest centroids."""
    stream = np.random.default_rng(seed)
    features, effect, clusters = 40, 0.12, tests // 2

    def sums(trials: int, signal: float) -> np.ndarray:
        """Sums of label times features of so many trials, by block."""
        return stream.normal(trials * signal, np.sqrt(trials), (blocks, features))

    real = sums(SIZE, effect)
    written = sums(2 * SIZE, effect if writer == "true" else 0.0)
    labels = stream.integers(0, 2, tests)
    member = np.arange(tests) // 2
    rows = (2 * labels[:, None] - 1) * effect + stream.normal(size=(tests, features))
    rows += stream.normal(0, 0.5, (clusters, features))[member]
    drawn = stream.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)[:, member]
    weights = np.vstack([np.ones(tests), drawn])
    orders = np.array(draw_orders(blocks, pools, seed))

    def areas(size: int, extra: np.ndarray, added: float) -> Areas:
        members = np.zeros((pools, blocks), dtype=np.bool_)
        np.put_along_axis(members, orders[:, :size], values=True, axis=1)
        odds = members @ (real + extra) @ rows.T
        return Areas(np.stack([roc_auc(labels, row, 0.0, weights) for row in odds]), members, added)

    curve = {SIZE * size: areas(size, 0 * real, 0) for size in CURVE}
    augmented = areas(POOL, written, 2 * SIZE * POOL)
    return (
        exchange_rate(curve, augmented, SIZE * POOL, clusters=clusters, level=0.95),
        compare_areas(augmented, curve[SIZE * POOL], clusters),
    )
