from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.unit.study.known_writers import known_corpus
from trialforge.core.errors import LearningError
from trialforge.core.params import load_section
from trialforge.learning.arms import TrainingPool
from trialforge.learning.factory import make_classifier
from trialforge.learning.linear import fit_average, fit_by_folds
from trialforge.learning.params import LearningParams
from trialforge.study.arms import Fitter, block_folds, mix_pool, permute_labels
from trialforge.study.features import Features, content_view
from trialforge.study.params import StudyArm
from trialforge.study.study import Corpus, pool_of

LEARNING = load_section(LearningParams, "learning", Path(__file__).resolve().parents[3] / "params.yaml")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return known_corpus(blocks=4, size=15, tests=60, fields=LEARNING.fields, seed=2)


@pytest.fixture(scope="module")
def fitter(corpus: Corpus) -> Fitter:
    reader = make_classifier("tfidf-logreg", LEARNING.classifiers)
    return Fitter(Features(reader, corpus.pool.real["text"], corpus.tables), (0.01, 0.001))


def mix(
    corpus: Corpus,
    fitter: Fitter,
    pool: TrainingPool | None = None,
    skeletons: pl.DataFrame | None = None,
    **arm: object,
) -> pl.DataFrame:
    asked = StudyArm.model_validate({"name": "arm", "extra": "synthetic", "generation_arm": "true"} | arm)
    pool = pool or corpus.pool
    tables = [content_view(table) for table in (pool.real, pool.synthetic) if table is not None]
    reader = make_classifier("tfidf-logreg", LEARNING.classifiers)
    words = pl.concat([table["text"] for table in tables])
    likeness = Fitter(Features(reader, words, tables), (0.01,)) if asked.density else None
    return mix_pool(
        asked, pool, 1, 0, label_shares="asked", word_dropout=0.2, teacher=fitter, likeness=likeness,
        skeletons=skeletons,
    )  # fmt: skip


def test_permuted_labels_are_those_of_the_block(corpus: Corpus, fitter: Fitter) -> None:
    given, permuted = (mix(corpus, fitter, labels=labels) for labels in ("given", "permuted"))
    assert given["nct_id"].to_list() == permuted["nct_id"].to_list()
    moved = (given["label"] != permuted["label"]).to_numpy()
    added = (given["origin"] != "real").to_numpy()
    assert moved[added].any()
    assert not moved[~added].any()
    counts = [frame.group_by("block", "origin").agg(pl.col("label").sum()) for frame in (given, permuted)]
    assert counts[0].sort("block", "origin").equals(counts[1].sort("block", "origin"))
    again = permute_labels(given, 1, 0)
    assert again.equals(permute_labels(given, 1, 0))
    assert not again.equals(permute_labels(given, 1, 1))


def test_soft_labels_share_a_trial_by_its_chance(corpus: Corpus, fitter: Fitter) -> None:
    soft = mix(corpus, fitter, labels="teacher").filter(pl.col("origin") != "real")
    whole = soft.group_by("nct_id").agg(pl.col("weight").sum(), pl.col("label").n_unique())
    assert whole["weight"].to_numpy() == pytest.approx(1.0)
    assert set(whole["label"]) == {2}


def test_a_teacher_does_not_know_the_block_that_a_trial_was_written_from(
    corpus: Corpus, fitter: Fitter
) -> None:
    """The labels of block 0 decide no soft label of block 0, and some of the others."""
    turned = corpus.pool.real.with_columns(
        label=pl.when(pl.col("block") == 0).then(1 - pl.col("label")).otherwise("label")
    )
    soft = [
        mix(corpus, fitter, TrainingPool(real, corpus.pool.synthetic), labels="teacher").filter(
            pl.col("origin") != "real"
        )
        for real in (corpus.pool.real, turned)
    ]
    same = np.isclose(soft[0]["weight"], soft[1]["weight"])
    mine = (soft[0]["block"] == 0).to_numpy()
    assert same[mine].all()
    assert not same[~mine].any()


def test_without_prose_only_the_skeleton_is_read(corpus: Corpus, fitter: Fitter) -> None:
    skeletons = corpus.pool.synthetic.select("nct_id", text=pl.format("skeleton of {}", "nct_id"))
    whole, bare = (mix(corpus, fitter, prose=prose, skeletons=skeletons) for prose in (True, False))
    assert bare.filter(pl.col("origin") == "real").equals(whole.filter(pl.col("origin") == "real"))
    added = bare.filter(pl.col("origin") != "real")
    assert (added["text"] == "skeleton of " + added["nct_id"]).all()
    assert added.drop("text").equals(whole.filter(pl.col("origin") != "real").drop("text"))
    with pytest.raises(LearningError, match="arm `arm` adds trials that have no skeleton"):
        mix(corpus, fitter, prose=False)


def test_the_best_half_keeps_half_of_each_label(corpus: Corpus, fitter: Fitter) -> None:
    every, half = (mix(corpus, fitter, best=best).filter(pl.col("origin") != "real") for best in (None, 0.5))
    for label in (0, 1):
        count = every.filter(label=label).height
        assert half.filter(label=label).height == -(-count // 2)
    assert set(half["nct_id"]) < set(every["nct_id"])


def test_density_weights_prefer_what_reads_like_a_real_trial(corpus: Corpus, fitter: Fitter) -> None:
    odd = corpus.pool.synthetic.filter(generation_arm="true").with_columns(
        text=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("pain of adults " * 30)).otherwise("text")
    )
    added = mix(corpus, fitter, TrainingPool(corpus.pool.real, odd), density=True).filter(
        pl.col("origin") != "real"
    )
    assert added["weight"].to_numpy().mean() == pytest.approx(1.0)
    strange = added["text"].str.starts_with("pain of adults pain")
    assert added.filter(strange)["weight"].max() < added.filter(~strange)["weight"].min()


def test_content_has_neither_case_nor_order_nor_marks() -> None:
    frame = pl.DataFrame({"text": ["The Pain of adults.", "adults, PAIN and pain", "pain of children"]})
    first, second, third = content_view(frame)["text"]
    assert first == second == "adults pain"
    assert third == "children pain"


def test_folds_leave_whole_blocks_out() -> None:
    folds = block_folds(pl.Series([0, 0, 5, 5, 7, 7, 9, None, None]))
    assert folds[:7].tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert len(set(block_folds(pl.Series([3] * 12)))) == 4


def test_copies_of_all_trials_leave_the_line_as_it_is() -> None:
    """A copier gains nothing, whatever the penalties are: the least and the largest among them."""
    stream = np.random.default_rng(0)
    rows, blocks = stream.normal(size=(40, 200)), np.arange(40) % 4
    labels = (rows[:, :10].sum(axis=1) + stream.normal(0, 2, 40) > 0).astype(int)
    for penalties in ((1.0,), (0.0001,), (1.0, 0.1, 0.01)):
        lines = []
        for times in (1, 3):
            again = [np.concatenate([values] * times) for values in (rows, labels, blocks)]
            real = np.arange(40 * times) < 40
            folds = [(again[2] != fold, (again[2] == fold) & real) for fold in range(4)]
            ones = np.ones(40 * times)
            lines.append(fit_by_folds(again[0], again[1], ones, folds, penalties))
            lines.append(fit_average(again[0], again[1], ones, penalties))
        assert lines[2].weights == pytest.approx(lines[0].weights, rel=0.05, abs=2e-3)
        assert lines[3].weights == pytest.approx(lines[1].weights, rel=0.05, abs=2e-3)


def test_an_arm_averages_the_models_of_all_penalties_and_a_tuned_one_takes_one_of_them(
    corpus: Corpus, fitter: Fitter
) -> None:
    examples = mix(corpus, fitter)
    single = [Fitter(fitter.features, (penalty,)).fit(examples).weights for penalty in fitter.penalties]
    assert fitter.fit(examples).weights == pytest.approx((single[0] + single[1]) / 2, abs=0.02)
    tuned = fitter.fit(examples, tuned=True).weights
    assert min(np.abs(tuned - one).max() for one in single) < 0.02
    assert np.abs(tuned - fitter.fit(examples).weights).max() > 0.1


def test_more_real_trials_are_those_of_other_blocks(corpus: Corpus) -> None:
    drafts = corpus.pool.real.with_columns(origin=pl.lit("held-back-as-drafts"))
    own = pool_of(replace(corpus.pool, as_drafts=drafts), [1, 3])
    assert set(own.real["block"]) == {1, 3}
    assert own.held_back is not None
    assert own.as_drafts is not None
    others = corpus.pool.real.filter(~pl.col("block").is_in([1, 3]))["nct_id"].to_list()
    assert own.held_back["nct_id"].to_list() == own.as_drafts["nct_id"].to_list() == others
    assert set(own.held_back["origin"]) == {"held-back"}
    assert set(own.as_drafts["origin"]) == {"held-back-as-drafts"}
