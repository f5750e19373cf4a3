"""Folds of an arm's training examples, and what is chosen by them."""

from __future__ import annotations

import numpy as np
import polars as pl

from trialforge.learning.arms import Draw, compose
from trialforge.learning.folds import FOLDS, choose_by_folds, source_folds
from trialforge.learning.params import TrainingArm
from trialforge.learning.tables import make_tables

FIELDS = ("phase", "criteria")


def mix(parts: dict[str, pl.DataFrame], synthetic: pl.DataFrame, **arm: object) -> pl.DataFrame:
    asked = TrainingArm.model_validate({"name": "arm"} | arm)
    return compose(asked, make_tables(parts, FIELDS, synthetic).pool, Draw(1, 0))


def test_a_fold_learns_from_nothing_that_was_made_from_what_it_ranks(
    parts: dict[str, pl.DataFrame], synthetic: pl.DataFrame
) -> None:
    for extra in ("synthetic", "duplicated", "word-dropout"):
        examples = mix(parts, synthetic, extra=extra)
        added = examples.filter(pl.col("origin") != "real")
        assert added["sources"].list.len().min() > 0
        ranked = np.zeros(examples.height, dtype=int)
        for kept, held in source_folds(examples):
            shown = set(examples.filter(pl.Series(kept))["sources"].explode())
            assert not shown & set(examples.filter(pl.Series(held))["nct_id"])
            assert examples.filter(pl.Series(kept), pl.col("origin") != "real").height
            ranked += held
        assert (ranked == (examples["origin"] == "real").to_numpy()).all()


def test_an_arm_without_real_trials_ranks_its_own(
    parts: dict[str, pl.DataFrame], synthetic: pl.DataFrame
) -> None:
    examples = mix(parts, synthetic, real=0.0, extra="synthetic")
    assert sum(held.sum() for _, held in source_folds(examples)) == examples.height


def test_the_candidate_that_ranks_best_within_folds_is_chosen() -> None:
    """The first ranks well in each fold but for the fold's level; the second only between folds."""
    fold = np.repeat([0, 1], 20)
    labels = np.tile([0, 1], 20)
    labels[:8], labels[20:28] = 0, 1
    folds = [(fold != number, fold == number) for number in range(2)]
    within = labels - 3.0 * fold
    between = fold + np.random.default_rng(0).normal(0, 0.01, 40)
    weights = np.ones(40)
    chosen = choose_by_folds(labels, weights, folds, lambda _, held: [between[held], within[held]])
    assert chosen == 1
    assert choose_by_folds(labels, weights, folds, lambda _, held: [within[held], within[held]]) == 0


def test_a_fold_of_one_label_decides_nothing() -> None:
    labels, weights = np.array([0, 1, 0, 1, 1, 1]), np.ones(6)
    fold = np.array([0, 0, 1, 1, 2, 2])
    folds = [(fold != number, fold == number) for number in range(FOLDS)]
    seen: list[int] = []

    def rank(_: np.ndarray, held: np.ndarray) -> list[np.ndarray]:
        seen.append(int(fold[held][0]))
        return [-labels[held].astype(float), labels[held].astype(float)]

    assert choose_by_folds(labels, weights, folds, rank) == 1
    assert seen == [0, 1]
