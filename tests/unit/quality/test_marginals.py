"""Distances of marginals on cases with a known answer."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.unit.quality.sections import VALIDATION
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.marginals import divergence, marginal_table, scaled_distance
from trialforge.quality.params import QualityParams
from trialforge.trial.text import filled_fields


def test_equal_columns_of_categories_are_at_no_distance() -> None:
    column = pl.Series("phase", ["Phase 1", "Phase 2", "Phase 2"])
    assert divergence(column, column) == pytest.approx(0, abs=1e-12)


def test_columns_without_a_common_category_are_one_bit_apart() -> None:
    assert divergence(pl.Series("sex", ["All"]), pl.Series("sex", ["Female"])) == pytest.approx(1)


def test_a_shift_is_measured_in_standard_deviations_of_the_reference() -> None:
    reference = pl.Series([0.0, 2.0])
    assert scaled_distance(reference + 3, reference) == pytest.approx(3)


def test_a_reference_that_does_not_vary_is_its_own_scale() -> None:
    constant = pl.Series([2, 2, 2])
    assert scaled_distance(constant, constant) == 0
    assert scaled_distance(pl.Series([4, 6]), constant) == pytest.approx(1.5)
    assert scaled_distance(pl.Series([3.0]), pl.Series([0.0, 0.0])) == pytest.approx(3)
    assert scaled_distance(pl.Series([], dtype=pl.Float64), pl.Series([1.0])) is None


def test_shifted_gaussians_are_as_far_apart_as_their_means() -> None:
    left, right = (pl.Series(np.random.default_rng(seed).normal(0, 2, 4000)) for seed in (1, 2))
    for shift in (0.0, 1.0, 6.0):
        # The distance of equal shapes is that of their means; each sample's is off by about 2 / sqrt(4000).
        assert scaled_distance(left + shift, right) == pytest.approx(shift / 2, abs=0.05)


def test_outcome_counts_are_measured_where_real_trials_all_have_as_many(
    parts: dict[str, pl.DataFrame], params: QualityParams
) -> None:
    columns = [pl.col(name).list.head(1) for name in ("primary_outcomes", "secondary_outcomes")]
    train = parts["train"].with_columns(columns)
    train = train.filter(pl.col("secondary_outcomes").list.len() == 1)
    scale = build_scale(filled_fields(train), train, params, VALIDATION, 1)
    doubled = train.head(20).with_columns(pl.concat_list("secondary_outcomes", "secondary_outcomes"))
    table = marginal_table(Case(Side(doubled, scale), Side(train, scale)))
    found = dict(table.select("field", "distance").iter_rows())
    assert (found["primary outcomes"], found["secondary outcomes"]) == (0, 1)
