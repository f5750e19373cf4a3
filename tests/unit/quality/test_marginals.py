"""Distances of marginals on cases with a known answer."""

from __future__ import annotations

import polars as pl
import pytest

from trialforge.quality.marginals import divergence, scaled_distance


def test_equal_columns_of_categories_are_at_no_distance() -> None:
    column = pl.Series("phase", ["Phase 1", "Phase 2", "Phase 2"])
    assert divergence(column, column) == pytest.approx(0, abs=1e-12)


def test_columns_without_a_common_category_are_one_bit_apart() -> None:
    assert divergence(pl.Series("sex", ["All"]), pl.Series("sex", ["Female"])) == pytest.approx(1)


def test_a_shift_is_measured_in_standard_deviations_of_the_reference() -> None:
    reference = pl.Series([0.0, 2.0])
    assert scaled_distance(reference + 3, reference) == pytest.approx(3)


def test_a_reference_that_does_not_vary_has_no_scale() -> None:
    assert scaled_distance(pl.Series([1.0, 2.0]), pl.Series([5.0, 5.0])) is None
    assert scaled_distance(pl.Series([], dtype=pl.Float64), pl.Series([1.0])) is None
