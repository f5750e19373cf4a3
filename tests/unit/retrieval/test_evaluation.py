from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from trialforge.retrieval.evaluation import (
    interval,
    measure_agreement,
    measure_tasks,
    score_task,
    summarise_exemplars,
)
from trialforge.retrieval.exemplars import EXEMPLAR_SCHEMA
from trialforge.retrieval.params import RetrievalParams
from trialforge.retrieval.tasks import make_tasks, related_trials


def test_trials_are_related_by_a_shared_condition(train: pl.DataFrame) -> None:
    assert related_trials(train) == {"NCT5": {"NCT2"}, "NCT2": {"NCT5"}}


def test_known_item_measures_are_the_reciprocal_rank_and_its_kin(
    train: pl.DataFrame, encoder: Any, params: RetrievalParams
) -> None:
    task = make_tasks(train, encoder, params, seed=1)["criteria"]
    values = score_task(task, "lexical", seed=1)
    assert task.ids == ["NCT1", "NCT2", "NCT3", "NCT4", "NCT5"]
    # `strokes` and `pain` name their own trials; `adults` stands in all criteria, so ids decide: 1, then 5.
    assert values["mrr"].tolist() == [1.0, 0.0, 1.0, 1.0, 0.2]
    assert values["recall_1"].tolist() == [1.0, 0.0, 1.0, 1.0, 0.0]


def test_metrics_name_each_mode_with_its_interval(
    train: pl.DataFrame, encoder: Any, params: RetrievalParams
) -> None:
    tasks = make_tasks(train, encoder, params, seed=1)
    metrics = measure_tasks(tasks, params, seed=1)
    assert metrics == measure_tasks(tasks, params, seed=1)
    assert metrics["condition.queries"] == 2
    for mode in ("lexical", "dense", "hybrid", "random"):
        name = f"title.{mode}.mrr"
        assert 0 <= metrics[f"{name}.low"] <= metrics[name] <= metrics[f"{name}.high"] <= 1


def test_backend_agrees_with_itself(train: pl.DataFrame, encoder: Any, params: RetrievalParams) -> None:
    task = make_tasks(train, encoder, params, seed=1)["title"]
    agreement = measure_agreement(task.retriever, task.retriever, task.texts)
    assert agreement == {"agreement.lexical.overlap_10": 1.0, "agreement.dense.overlap_10": 1.0}


def test_interval_of_equal_values_has_no_width() -> None:
    draws = np.zeros((10, 3), dtype=np.int64)
    assert interval("x", np.full(3, 0.5), draws) == {"x": 0.5, "x.low": 0.5, "x.high": 0.5}


def test_summary_counts_targets_that_lack_exemplars() -> None:
    rows = [{"target_id": "T1", "rank": 1, "nct_id": "NCT1", "filter": "label"}]
    plan = pl.DataFrame({"target_id": ["T1", "T2"]})
    summary = summarise_exemplars(plan, pl.DataFrame(rows, schema=EXEMPLAR_SCHEMA), top_k=3)
    assert summary["exemplars.targets"] == summary["exemplars.targets_short"] == 1
    assert summary["exemplars.targets_without"] == 1
    assert summary["exemplars.share.label"] == pytest.approx(1.0)
