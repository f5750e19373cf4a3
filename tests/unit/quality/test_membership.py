"""Attacks on sets whose members are known by construction."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest

from tests.unit.quality.sections import VALIDATION
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.membership import (
    exemplar_auc,
    exemplar_tpr,
    false_positive_rate,
    membership_table,
    train_auc,
    train_tpr,
    true_positive_rate,
)
from trialforge.quality.params import QualityParams
from trialforge.quality.yardstick import match_held_out
from trialforge.trial.text import filled_fields

Parts = dict[str, pl.DataFrame]


def make_case(records: pl.DataFrame, parts: Parts, params: QualityParams) -> Case:
    scale = build_scale(filled_fields(parts["train"]), parts["train"], params, VALIDATION, 1)
    return Case(*(Side(frame, scale) for frame in (records, parts["train"], parts["validation"])))


def test_copies_of_the_shown_trials_betray_them_all(parts: Parts, params: QualityParams) -> None:
    shown = parts["train"].head(40)
    case = make_case(shown.with_columns(exemplars=pl.concat_list("nct_id")), parts, params)
    assert exemplar_auc(case).value == 1
    assert exemplar_tpr(case).value == 1


def test_records_that_copy_nothing_betray_no_exemplar(parts: Parts, params: QualityParams) -> None:
    stream = np.random.default_rng(5)
    names = [[name] for name in stream.choice(parts["train"]["nct_id"].to_numpy(), 40, replace=False)]
    case = make_case(parts["synthetic"].with_columns(exemplars=pl.Series(names)), parts, params)
    found = exemplar_auc(case)
    # Three standard errors of the area of 40 members by chance.
    assert found.value == pytest.approx(0.5, abs=0.15)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 0.5 <= found.high


def test_the_attack_on_train_compares_trials_of_the_same_years(parts: Parts, params: QualityParams) -> None:
    """Records of new trials are nearest to new trials, in the pool or not: that is no membership."""
    old, new = datetime.date(1999, 1, 1), datetime.date(2021, 1, 1)
    train, fresh = parts["train"], pl.concat([parts["validation"], parts["test"]])
    styled = pl.lit("Remote visits by smartphone replace most clinic visits; wearable sensors record sleep.")
    new_trials = fresh.with_columns(summary=styled, criteria=styled, first_submitted=pl.lit(new))
    sides = {
        "train": pl.concat([train.with_columns(first_submitted=pl.lit(old)), new_trials.head(80)]),
        "validation": new_trials.slice(80),
    }
    case = make_case(parts["synthetic"].with_columns(summary=styled, criteria=styled), sides, params)
    matched = match_held_out(case).train.frame["first_submitted"].dt.year()
    assert (matched == 2021).mean() > 0.8
    assert train_auc(case).value == pytest.approx(0.5, abs=0.1)


def test_copies_of_all_of_train_betray_it(parts: Parts, params: QualityParams) -> None:
    case = make_case(parts["train"], parts, params)
    assert train_auc(case).value == 1
    assert train_tpr(case).value == 1


@pytest.mark.parametrize(("others", "rate"), [(50, 0.0), (99, 0.0), (100, 0.01), (250, 0.008)])
def test_the_rate_of_false_positives_is_what_so_many_trials_allow(others: int, rate: float) -> None:
    outside = np.arange(others, dtype=float)
    assert false_positive_rate(outside) == pytest.approx(rate)
    # Of two members, one scores above every non-member.
    assert true_positive_rate(np.array([0.5, others + 1.0]), outside) == 0.5


def test_the_table_says_at_which_rate_members_were_found(parts: Parts, params: QualityParams) -> None:
    case = make_case(parts["train"].head(20).with_columns(exemplars=pl.concat_list("nct_id")), parts, params)
    rows = membership_table(case).filter(feature="highest").rows(named=True)
    assert [(row["attack"], row["others"]) for row in rows][1] == ("train", 80)
    for row in rows:
        assert row["fpr"] == pytest.approx(row["others"] // 100 / row["others"], abs=1e-4)
