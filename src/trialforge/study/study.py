"""The study: each arm in each pool of blocks, scored on the same test trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.core.errors import LearningError
from trialforge.core.progress import Progress
from trialforge.core.rng import random_stream
from trialforge.learning.arms import TrainingPool
from trialforge.learning.factory import make_classifier
from trialforge.learning.linear import VectorClassifier, WordClassifier
from trialforge.scoring.bootstrap import draw_weights, roc_auc
from trialforge.study.arms import Fitter, mix_pool
from trialforge.study.exchange import Areas
from trialforge.study.features import Features, content_view
from trialforge.study.params import StudyArm
from trialforge.trial.controls import cluster_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.learning.params import LearningParams
    from trialforge.learning.tables import Tables
    from trialforge.study.params import StudyParams

REAL = StudyArm(name="real")
# Of what a model writes, what is left of a skeleton: names and types of interventions are the plan's.
SKELETON_FIELDS = ("interventions",)


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the study reads.

    Attributes:
        pool: real and synthetic examples with `block`; the real ones in the form of a draft as well.
        test: examples that are scored.
        clusters: (test trials,) the intervention of each.
        skeletons: `nct_id` and `text` of the synthetic trials without what the model wrote.
    """

    pool: TrainingPool
    test: pl.DataFrame
    clusters: NDArray[np.str_]
    skeletons: pl.DataFrame | None = None

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return self.pool.real["block"].n_unique()

    @property
    def tables(self) -> list[pl.DataFrame]:
        """All examples that it holds."""
        pool = self.pool
        return [
            table for table in (pool.real, pool.synthetic, pool.as_drafts, self.test) if table is not None
        ]


def make_corpus(
    tables: Tables,
    test: pl.DataFrame,
    blocks: pl.DataFrame,
    synthetic: pl.DataFrame,
    plan: pl.DataFrame,
    skeletons: pl.DataFrame | None = None,
) -> Corpus:
    """Return the examples of `tables` by block.

    Args:
        tables: examples, checked; `as_drafts` are those of train.
        test: the test part as it is in the run, for the interventions of its trials.
        blocks: `nct_id` and `block` of the real trials.
        synthetic: the synthetic trials, with `target_id`.
        plan: `target_id` and `block`.
        skeletons: examples of the synthetic trials without what the model wrote, for arms without `prose`.

    Raises:
        LearningError: a synthetic trial is of no block, so that what it was made from is not known.
    """
    pool = tables.pool
    real = pool.real.join(blocks, on="nct_id", maintain_order="left")
    of_block = synthetic.join(plan.select("target_id", "block"), on="target_id").select("nct_id", "block")
    written = None
    if pool.synthetic is not None:
        written = pool.synthetic.join(of_block, on="nct_id", how="left", maintain_order="left")
        if lost := written.filter(pl.col("block").is_null())["nct_id"].to_list():
            raise LearningError(
                f"{len(lost)} synthetic trials belong to no block; the first is {lost[0]}",
                hint="run: dvc repro generate",
            )
    drafts = (
        None if pool.as_drafts is None else pool.as_drafts.join(blocks, on="nct_id", maintain_order="left")
    )
    pool = replace(pool, real=real, synthetic=written, as_drafts=drafts)
    clusters = tables.test.join(test.select("nct_id", cluster_key()), on="nct_id", maintain_order="left")
    return Corpus(pool, tables.test, clusters["cluster"].to_numpy(), skeletons)


@dataclass(frozen=True, slots=True)
class StudyResult:
    """ROC-AUCs by model, arm and blocks of a pool; the learning curve is the arm `real`."""

    areas: dict[tuple[str, str, int], Areas]
    block_size: int
    clusters: int

    def curve(self, model: str) -> dict[int, Areas]:
        """The learning curve of a classifier: ROC-AUCs by number of real trials."""
        return {
            size * self.block_size: areas
            for (name, arm, size), areas in self.areas.items()
            if name == model and arm == REAL.name
        }


def run_study(corpus: Corpus, params: StudyParams, learning: LearningParams, seed: int) -> StudyResult:
    """Return the ROC-AUC of each arm in each pool by each classifier.

    Raises:
        LearningError: an arm needs trials that there are none of, or there are fewer blocks than a pool has.
    """
    blocks = corpus.blocks
    largest = max(params.sizes)
    if 2 * largest > blocks:
        raise LearningError(
            f"{blocks} blocks are too few for pools of {largest} blocks: {2 * largest} are needed",
            hint="lower study.sizes, or take more trials",
        )
    fitters = _make_fitters(corpus, params, learning)
    likeness = _make_likeness(corpus, learning) if any(arm.density for arm in params.arms) else None
    # A pool of more than two thirds of all blocks says nothing of the trials that there might have been.
    curve = [size for size in params.curve if 3 * size <= 2 * blocks]
    turns = [(REAL, size) for size in curve] + [(arm, size) for arm in params.arms for size in params.sizes]
    orders = draw_orders(blocks, params.pools, seed)
    draws = draw_weights(corpus.clusters, 1, params.draws, seed).trials
    weights = np.vstack([np.ones(corpus.test.height), draws])
    areas: dict[tuple[str, str, int], Areas] = {}
    with Progress("study", len(turns) * len(params.models)) as progress:
        for model in params.models:
            cells = _Cells(
                corpus, learning, seed, fitters[model], fitters[_other(model)], likeness, orders, weights
            )
            for arm, size in turns:
                areas[model, arm.name, size] = cells.score(arm, size)
                progress.advance(note=f"{model}, arm {arm.name}, {size} blocks")
    return StudyResult(areas, corpus.pool.real.height // blocks, len(np.unique(corpus.clusters)))


@dataclass(frozen=True, slots=True)
class _Cells:
    """Trains an arm in each pool of a size, by one classifier."""

    corpus: Corpus
    learning: LearningParams
    seed: int
    student: Fitter
    teacher: Fitter
    likeness: Fitter | None
    orders: list[list[int]]
    weights: NDArray[np.float64]

    def score(self, arm: StudyArm, size: int) -> Areas:
        labels = self.corpus.test["label"].to_numpy()
        members = np.zeros((len(self.orders), self.corpus.blocks), dtype=np.bool_)
        values, added = [], []
        for number, order in enumerate(self.orders):
            members[number, order[:size]] = True
            mix = mix_pool(
                arm, pool_of(self.corpus.pool, order[:size]), self.seed, number,
                label_shares=self.learning.label_shares, word_dropout=self.learning.word_dropout,
                teacher=self.teacher, likeness=self.likeness, skeletons=self.corpus.skeletons,
            )  # fmt: skip
            odds = _odds(self.student, mix, self.corpus.test, tuned=arm.tuned)
            values.append(roc_auc(labels, odds, 0.0, self.weights))
            added.append(mix.filter(pl.col("origin") != "real")["nct_id"].n_unique())
        return Areas(np.stack(values), members, float(np.mean(added)))


def draw_orders(blocks: int, pools: int, seed: int) -> list[list[int]]:
    """Return orders of all blocks; the first k of each are a pool of k, so larger pools hold smaller ones.

    They are independent: pools that share blocks in a pattern would pass for blocks that differ.
    """
    stream = random_stream(seed, "study", "orders")
    return [stream.permutation(blocks).tolist() for _ in range(pools)]


def _make_fitters(corpus: Corpus, params: StudyParams, learning: LearningParams) -> dict[str, Fitter]:
    """Return what fits each classifier; the teacher of another kind is made only where an arm asks for it."""
    taught = any(arm.labels == "teacher" or arm.best for arm in params.arms)
    names = {*params.models, *((_other(model) for model in params.models) if taught else ())}
    fitters = {}
    for name in sorted(names):
        reader = make_classifier(name, learning.classifiers)
        assert isinstance(reader, WordClassifier | VectorClassifier)  # noqa: S101 - the parameters allow no other
        fitters[name] = Fitter(Features(reader, corpus.pool.real["text"], corpus.tables), params.penalties)
    return fitters | {_other(name): fitters[name] for name in names if _other(name) not in names}


def _make_likeness(corpus: Corpus, learning: LearningParams) -> Fitter:
    """Return what tells real from added trials; its words are those of both, one penalty keeps it modest."""
    reader = make_classifier("tfidf-logreg", learning.classifiers)
    assert isinstance(reader, WordClassifier)  # noqa: S101 - it is
    tables = [content_view(table) for table in corpus.tables]
    return Fitter(Features(reader, pl.concat([table["text"] for table in tables]), tables), (0.01,))


def _other(model: str) -> str:
    return "embedding-logreg" if model == "tfidf-logreg" else "tfidf-logreg"


def _odds(fitter: Fitter, mix: pl.DataFrame, test: pl.DataFrame, *, tuned: bool) -> NDArray[np.float64]:
    """Return the log-odds of test trials; all alike where a pool has but one label to learn from."""
    if mix.filter(pl.col("weight") > 0)["label"].n_unique() < 2:
        return np.zeros(test.height)
    return fitter.fit(mix, tuned=tuned).odds(fitter.features.rows(test))


def pool_of(pool: TrainingPool, blocks: Sequence[int]) -> TrainingPool:
    """Return the pool of some blocks: their real trials and what was written from these, others held back.

    A few trials that were held back once for all would be the same in every pool, and their luck no error.
    """
    mine = pl.col("block").is_in(list(blocks))
    no_block = pl.lit(None, dtype=pl.Int64).alias("block")
    others = pool.real.filter(~mine).with_columns(no_block, origin=pl.lit("held-back"))
    synthetic = None if pool.synthetic is None else pool.synthetic.filter(mine)
    drafts = None if pool.as_drafts is None else pool.as_drafts.filter(~mine).with_columns(no_block)
    return TrainingPool(pool.real.filter(mine), synthetic, others, drafts)
