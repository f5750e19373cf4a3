from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialforge.retrieval.fusion import diversify, fuse_rankings, rank_ids


def test_fused_score_is_the_sum_of_reciprocal_ranks() -> None:
    fused = fuse_rankings([(["a", "b"], 1), (["b"], 0.5)], rank_constant=60)
    assert fused == pytest.approx({"a": 1 / 61, "b": 1 / 62 + 0.5 / 61})


def test_equal_scores_stand_in_the_order_of_ids() -> None:
    assert rank_ids({"b": 1.0, "a": 1.0, "c": 2.0}) == ["c", "a", "b"]


def test_diversity_puts_the_different_one_before_the_copy() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    assert diversify(["a", "copy", "b"], [1.0, 0.9, 0.8], vectors, mmr_lambda=0.5) == ["a", "b", "copy"]


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0, 1))
def test_diversity_only_reorders(relevance: list[float], mmr_lambda: float) -> None:
    ids = [f"NCT{number}" for number in range(len(relevance))]
    vectors = np.eye(8, dtype=np.float32)[: len(ids)]
    assert sorted(diversify(ids, relevance, vectors, mmr_lambda)) == ids


def test_trade_of_one_keeps_the_ranking() -> None:
    vectors = np.ones((3, 1), dtype=np.float32)
    assert diversify(["c", "a", "b"], [3.0, 2.0, 1.0], vectors, mmr_lambda=1.0) == ["c", "a", "b"]
