"""Measures against reference packages and cases whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import prdc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.canaries import find_canaries, make_canary
from tests.unit.quality.sections import VALIDATION
from trialforge.core.errors import MetricError
from trialforge.core.resampling import Clusters, Interval, bootstrap_difference, jackknife_groups
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.cosine import cosine_table
from trialforge.quality.diversity import vendi_score
from trialforge.quality.metric import Estimate, jackknife_statistic
from trialforge.quality.mmd import permute_discrepancy
from trialforge.quality.params import QualityParams
from trialforge.quality.prdc import compare_manifolds
from trialforge.quality.probe import judge_gap, label_words, probe_table
from trialforge.quality.registry import METRICS
from trialforge.quality.twosample import roc_auc
from trialforge.quality.yardstick import matching_table
from trialforge.trial.text import filled_fields

pytestmark = pytest.mark.slow


def unit_rows(count: int, shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, 8)).astype(np.float32)


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_precision_recall_density_coverage_equal_the_reference_package(shift: float) -> None:
    real, synthetic = unit_rows(80, 0, 1), unit_rows(60, shift, 2)
    expected = prdc.compute_prdc(real, synthetic, nearest_k=5)
    found = compare_manifolds(real, synthetic, 5)
    names = {"precision": "inside", "recall": "reached", "density": "density", "coverage": "covered"}
    for name, rows in names.items():
        assert float(np.mean(getattr(found, rows))) == pytest.approx(expected[name], abs=1e-6)


def test_identical_sets_are_wholly_precise_and_covered() -> None:
    rows = unit_rows(50, 0, 3)
    found = compare_manifolds(rows, rows, 5)
    assert found.inside.mean() == found.reached.mean() == found.covered.mean() == 1


def test_disjoint_sets_have_no_precision_and_no_coverage() -> None:
    found = compare_manifolds(unit_rows(50, 0, 3), unit_rows(50, 100, 4), 5)
    assert found.inside.mean() == found.reached.mean() == found.covered.mean() == 0


def test_mmd_equals_its_definition_and_tells_shifted_gaussians_apart() -> None:
    def kernel(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.exp(-((left[:, None] - right[None]) ** 2).sum(-1) / (2 * 2.0**2))

    real, synthetic = unit_rows(30, 0, 5).astype(float), unit_rows(20, 1.5, 6).astype(float)
    within = [
        (kernel(rows, rows).sum() - len(rows)) / len(rows) / (len(rows) - 1) for rows in (real, synthetic)
    ]
    expected = sum(within) - 2 * kernel(real, synthetic).mean()
    found = permute_discrepancy(real, synthetic, 2.0, 199, np.random.default_rng(7))
    assert found.squared == pytest.approx(expected, abs=1e-6)
    assert found.p_value == pytest.approx(1 / 200)


def test_vendi_counts_different_rows_and_not_copies() -> None:
    rows = np.eye(6)
    assert vendi_score(rows) == pytest.approx(6, abs=1e-6)
    assert vendi_score(np.repeat(rows[:1], 9, axis=0)) == pytest.approx(1, abs=1e-6)
    assert vendi_score(np.repeat(rows[:2], 5, axis=0)) == pytest.approx(2, abs=1e-6)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=4, max_size=40))
@settings(deadline=None, max_examples=60)
def test_roc_auc_equals_scikit_learn_with_ties(pairs: list[tuple[bool, int]]) -> None:
    labels = np.array([label for label, _ in pairs] + [True, False], dtype=int)
    scores = np.array([score for _, score in pairs] + [2, 2], dtype=float)
    assert roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)


def test_a_difference_of_equal_constants_is_0_and_a_shift_is_read_between_its_bounds() -> None:
    ours, real = unit_rows(200, 1, 8)[:, 0], unit_rows(100, 0, 9)[:, 0]

    def interval(one: np.ndarray, other: np.ndarray) -> Interval:
        return bootstrap_difference(
            lambda places: float(one[places].mean()),
            lambda places: float(other[places].mean()),
            (Clusters.single(len(one)), Clusters.single(len(other))),
            np.random.default_rng(1),
            2000,
        )

    assert interval(np.ones(9), np.ones(4)) == (0, 0)
    low, high = interval(ours, real)
    assert low is not None
    assert high is not None
    middle = float(ours.mean() - real.mean())
    # The normal interval of a difference of two independent means.
    width = 1.96 * float(np.sqrt(ours.var() / len(ours) + real.var() / len(real)))
    assert (low, high) == pytest.approx((middle - width, middle + width), abs=0.03)


def test_a_canary_is_found_where_it_was_planted_and_nowhere_else(tmp_path: Path) -> None:
    canary = make_canary("NCT1", 7)
    clean, dirty = tmp_path / "clean.parquet", tmp_path / "dirty.parquet"
    pl.DataFrame({"text": ["nothing"]}).write_parquet(clean)
    pl.DataFrame({"text": [f"before {canary} after"]}).write_parquet(dirty)
    found = find_canaries({"NCT1": canary}, [clean, dirty])
    assert "dirty.parquet" in str(found.to_dicts())
    assert "clean.parquet" not in str(found.to_dicts())
    assert find_canaries({"NCT1": canary}, [clean]).is_empty()


def test_a_jackknife_interval_of_a_mean_is_its_normal_interval() -> None:
    values = unit_rows(400, 1, 10)[:, 0].astype(float)
    found = jackknife_statistic(lambda places: float(values[places].mean()), Clusters.single(len(values)))
    width = 1.96 * float(values.std() / np.sqrt(len(values)))
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - width, abs=0.05)
    assert found.high == pytest.approx(values.mean() + width, abs=0.05)
    constant = jackknife_statistic(lambda _: 3.0, Clusters.single(50))
    assert (constant.low, constant.high) == (3, 3)
    assert jackknife_statistic(lambda _: 3.0, Clusters.single(2)).low is None


def test_mmd_without_a_group_is_mmd_of_the_others() -> None:
    real, synthetic = unit_rows(30, 0, 5).astype(float), unit_rows(50, 0.5, 6).astype(float)
    found = permute_discrepancy(real, synthetic, 2.0, 19, np.random.default_rng(7))
    for group, value in zip(jackknife_groups(Clusters.single(50)), found.left_out, strict=True):
        rest = np.delete(synthetic, group, axis=0)
        assert value == pytest.approx(
            permute_discrepancy(real, rest, 2.0, 19, np.random.default_rng(7)).squared, abs=1e-9
        )


@pytest.mark.parametrize("name", ["fidelity.cosine_within", "fidelity.cosine_between"])
def test_the_interval_of_a_cosine_distance_leaves_records_out(
    parts: dict[str, pl.DataFrame], params: QualityParams, name: str
) -> None:
    scale = build_scale(filled_fields(parts["train"]), parts["train"], params, VALIDATION, 1)
    records = parts["synthetic"]
    case = Case(Side(records, scale), Side(parts["train"], scale))
    expected = jackknife_statistic(
        lambda places: (
            METRICS[name].compute(case.with_candidates(Side(records[places], scale), case.reference)).value
        ),
        Clusters.single(len(records)),
    )
    found = METRICS[name].compute(case)
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=1e-4
    )


def test_held_out_trials_are_matched_within_their_strata_first(
    parts: dict[str, pl.DataFrame], params: QualityParams
) -> None:
    scale = build_scale(filled_fields(parts["train"]), parts["train"], params, VALIDATION, 1)
    sides = [Side(parts[name], scale) for name in ("synthetic", "train")]
    found = matching_table(Case(*sides, held_out=Side(parts["train"].head(50), scale)))
    assert dict(found.iter_rows())["era, phase and sponsor class"] == 50
    strangers = parts["validation"].with_columns(phase=pl.lit("Phase 9"))
    found = matching_table(Case(*sides, held_out=Side(strangers, scale)))
    assert dict(found.iter_rows()) == {
        "era, phase and sponsor class": 0, "phase and sponsor class": 0, "phase": 0, "unmatched": 80,
    }  # fmt: skip


def test_a_gap_is_judged_by_its_interval() -> None:
    assert judge_gap(Estimate(0.3, 0.1, 0.5), 0.05) == "above"
    assert judge_gap(Estimate(0.3, -0.1, 0.6), 0.05) == "too few to tell"
    assert judge_gap(Estimate(0.0, -0.04, 0.04), 0.05) == "at most"


def test_a_set_of_one_record_is_measured_as_far_as_it_can_be(
    parts: dict[str, pl.DataFrame], params: QualityParams
) -> None:
    scale = build_scale(filled_fields(parts["train"]), parts["train"].head(30), params, VALIDATION, 1)
    sides = [Side(parts[name].head(size), scale) for name, size in (("synthetic", 1), ("train", 30))]
    case = Case(*sides, held_out=Side(parts["validation"].head(20), scale))
    for name in ("fidelity.cosine_within", "fidelity.precision", "leakage.words_gap"):
        with pytest.raises(MetricError):
            METRICS[name].measure(case)
    for make in (label_words, probe_table):
        with pytest.raises(MetricError):
            make(case)
    assert cosine_table(case).filter(pairs="synthetic-synthetic")["share"].sum() == 0
    assert METRICS["privacy.copies"].measure(case).value == 0


def test_trials_without_titles_tell_nothing_by_them(
    parts: dict[str, pl.DataFrame], params: QualityParams
) -> None:
    """TOP's tables have no titles."""
    train = parts["train"].with_columns(title=pl.lit(None, pl.String))
    scale = build_scale(filled_fields(train), train, params, VALIDATION, 1)
    case = Case(Side(parts["synthetic"], scale), Side(train, scale))
    words = label_words(case).filter(set="train", view="title")
    assert set(words["word"]) == {"absent"}
    table = probe_table(case).filter(set="train", view="title")
    assert table["auc"].item() == pytest.approx(0.5)
