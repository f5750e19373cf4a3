"""Distances between sets whose answer is analytic, and the place of a set between worst and ceiling."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from tests.unit.quality.sections import VALIDATION
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.mmd import permute_discrepancy
from trialforge.quality.params import QualityParams
from trialforge.quality.registry import METRICS
from trialforge.quality.twosample import linear_probe, roc_auc, score_by_folds
from trialforge.quality.vocabulary import condition_overlap, endpoint_overlap, known_shares
from trialforge.quality.yardstick import compare_yardsticks, match_held_out, random_trials
from trialforge.trial.text import filled_fields

pytestmark = pytest.mark.slow

Parts = dict[str, pl.DataFrame]


def make_case(records: pl.DataFrame, parts: Parts, params: QualityParams) -> Case:
    scale = build_scale(filled_fields(parts["train"]), parts["train"], params, VALIDATION, 1)
    return Case(*(Side(frame, scale) for frame in (records, parts["train"], parts["validation"])))


def gaussian(count: int, shift: float, seed: int, dimension: int = 8) -> np.ndarray:
    """Rows of a normal distribution whose mean is `shift` away from 0."""
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    rows[:, 0] += shift
    return rows


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_mmd_of_shifted_gaussians_is_the_analytic_one(shift: float) -> None:
    width, dimension = 2.0, 8
    found = permute_discrepancy(
        gaussian(1200, 0, 1), gaussian(1200, shift, 2), width, 19, np.random.default_rng(3)
    )
    # The kernel of two normal variables: that of their difference, normal with twice the variance.
    within = (1 + 2 / width**2) ** (-dimension / 2)
    expected = 2 * within * (1 - np.exp(-(shift**2) / (2 * (width**2 + 2))))
    assert found.squared == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_the_two_sample_test_of_shifted_gaussians_reads_their_overlap(
    shift: float, parts: Parts, params: QualityParams
) -> None:
    rows = np.concatenate([gaussian(1500, 0, 4), gaussian(1500, shift, 5)])
    groups = pl.Series(np.arange(3000) // 3)
    case = make_case(parts["synthetic"], parts, params)
    scored = score_by_folds(rows, np.repeat([0, 1], 1500), groups, linear_probe(), case)
    # No score tells two normal distributions of unit variance better than along their means.
    expected = NormalDist().cdf(shift / np.sqrt(2))
    assert roc_auc(scored.labels, scored.scores) == pytest.approx(expected, abs=0.03)


def test_known_words_are_counted_by_text() -> None:
    reference = pl.Series(["Asthma ; severe Asthma", None, "COPD"])
    texts = pl.Series(["severe asthma", "Asthma of dogs", "gout", "", None])
    assert known_shares(texts, reference).to_list() == [1, pytest.approx(1 / 3), 0, None, None]


def test_the_overlap_of_vocabulary_is_the_mean_share_of_known_words(
    parts: Parts, params: QualityParams
) -> None:
    known = parts["train"]["conditions"].list.first()[0]
    endpoint = {"measure": parts["train"]["primary_outcomes"].list.first()[0]["measure"]}
    records = parts["synthetic"].head(2).with_columns(
        conditions=pl.Series([[known], ["qazonitis"]]),
        primary_outcomes=pl.Series(
            [[endpoint], [{"measure": "qazo wexo"}]], dtype=parts["train"].schema["primary_outcomes"]
        ),
        secondary_outcomes=pl.lit([], parts["train"].schema["secondary_outcomes"]),
    )  # fmt: skip
    case = make_case(records, parts, params)
    assert condition_overlap(case).value == endpoint_overlap(case).value == 0.5
    same = make_case(parts["train"].head(20), parts, params)
    assert condition_overlap(same).value == endpoint_overlap(same).value == 1


def test_a_set_stands_between_random_text_and_held_out_trials(parts: Parts, params: QualityParams) -> None:
    names = (
        "fidelity.precision", "fidelity.coverage", "fidelity.mmd2", "fidelity.categories_js",
        "fidelity.numbers_wasserstein", "membership.train_auc", "memorisation.shown_25",
    )  # fmt: skip
    some = {name: METRICS[name] for name in names}
    held_out = make_case(parts["validation"], parts, params)
    best = {row["metric"]: row for row in compare_yardsticks(held_out, some).iter_rows(named=True)}
    for name in names[:5]:
        # The held-out trials are their own ceiling.
        assert best[name]["at_size"] == best[name]["ceiling"]
        assert best[name]["ceiling_n"] == len(match_held_out(held_out).held_out)
        better = best[name]["ceiling"] > best[name]["worst"]
        assert better == (best[name]["direction"] == "higher")
    assert best["fidelity.precision"]["ratio"] == 1
    # What has no yardstick, and what can't be measured, says so.
    assert best["membership.train_auc"]["ceiling"] is None
    assert "no record whose exemplars" in best["memorisation.shown_25"]["note"]
    random = random_trials(held_out.reference, 80, np.random.default_rng(1))
    worst = compare_yardsticks(replace(held_out, candidates=random), some)
    found = {row["metric"]: row for row in worst.iter_rows(named=True)}
    for name in names[:5]:
        # Other random text is nearer to random text than to held-out trials.
        far, near = (abs(found[name]["at_size"] - found[name][end]) for end in ("ceiling", "worst"))
        assert near < far


def test_the_ceiling_of_few_records_among_many_held_out_trials_is_of_few_trials(
    parts: Parts, params: QualityParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a set would look less diverse than real trials for being smaller."""
    monkeypatch.setattr("trialforge.quality.yardstick.LEAST_HELD_OUT", 10)
    size = len(parts["validation"]) // 2
    records = make_case(parts["validation"].head(size), parts, params)
    table = compare_yardsticks(records, {"diversity.distinct_2": METRICS["diversity.distinct_2"]})
    row = table.row(0, named=True)
    assert (row["n"], row["ceiling_n"]) == (size, size)
    assert row["at_size"] == row["value"]
    assert row["ceiling"] == pytest.approx(row["at_size"], rel=0.15)
