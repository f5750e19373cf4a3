"""Attacks on sets whose members are known by construction."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest

from tests.unit.quality.sections import VALIDATION
from trialforge.core.errors import MetricError
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.membership import (
    attack_exemplars,
    control_gain,
    exemplar_gain,
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


def shown_one_each(
    records: pl.DataFrame, trials: pl.DataFrame, arm: str = "retrieval-reasoning"
) -> pl.DataFrame:
    return records.with_columns(
        trials["nct_id"].reshape((-1, 1)).arr.to_list().alias("exemplars"), arm=pl.lit(arm)
    )


def test_copies_of_the_shown_trials_betray_them_beyond_their_targets(
    parts: Parts, params: QualityParams
) -> None:
    shown = parts["train"].head(40)
    case = make_case(shown_one_each(shown, shown), parts, params)
    sets = attack_exemplars(case)
    # Simulated trials may have a twin, which no attack tells from them.
    assert sets["records"].mean() > 0.95
    found = exemplar_gain(case)
    assert found.value == pytest.approx((sets["records"] - sets["target"]).mean())
    assert found.low is not None
    assert found.low > 0.05


def test_records_that_copy_nothing_betray_no_exemplar(parts: Parts, params: QualityParams) -> None:
    trials = parts["train"].sample(40, seed=5)
    found = exemplar_gain(make_case(shown_one_each(parts["synthetic"], trials), parts, params))
    # Four standard errors of a mean of 40 differences of ROC-AUCs.
    assert found.value == pytest.approx(0, abs=0.2)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 0 <= found.high


def test_what_the_target_tells_is_no_gain(parts: Parts, params: QualityParams) -> None:
    """Exemplars are found by the target's lines, and the records hold these and nothing else."""
    shown = parts["train"].head(40)
    kept = ("nct_id", "source", "conditions", "interventions", "phase", "normalized_interventions", "label")
    bare = shown.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in shown.schema.items() if name not in kept
    )
    case = make_case(shown_one_each(bare, shown), parts, params)
    sets = attack_exemplars(case)
    assert sets["records"].mean() > 0.6
    assert abs(exemplar_gain(case).value) < 0.05


def test_random_exemplars_are_the_control(parts: Parts, params: QualityParams) -> None:
    shown = parts["train"].head(20)
    honest = shown_one_each(parts["synthetic"].head(20), parts["train"].tail(20), "random-exemplars")
    case = make_case(pl.concat([shown_one_each(shown, shown), honest]), parts, params)
    assert exemplar_gain(case).n == control_gain(case).n == 20
    assert exemplar_gain(case).value > control_gain(case).value
    with pytest.raises(MetricError, match="arm random-exemplars"):
        control_gain(make_case(shown_one_each(shown, shown), parts, params))


def test_others_match_the_exemplar_by_intervention_condition_and_label(
    parts: Parts, params: QualityParams
) -> None:
    """All but four trials are of another kind; of these one has another label and one was shown itself."""
    train = parts["train"].head(60)
    alone = pl.int_range(pl.len()) < 4
    train = train.with_columns(
        normalized_interventions=pl.when(alone).then(pl.lit(["qazomab"])).otherwise(pl.lit(["wexomab"])),
        label=(pl.int_range(pl.len()) != 3).cast(pl.Int64),
    )
    records = shown_one_each(parts["synthetic"].head(1), train.head(1))
    records = records.with_columns(exemplars=pl.lit(train["nct_id"].head(2).to_list()))
    sets = attack_exemplars(make_case(records, parts | {"train": train}, params))
    # Each of both exemplars is beside the one trial that is left.
    assert sets.select("members", "others").row(0) == (2, 2)


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
    shown = parts["train"].head(20)
    table = membership_table(make_case(shown_one_each(shown, shown), parts, params))
    attacks = table.filter(pl.col("attack") != "train")
    assert attacks.select("attack", "feature").rows() == [
        ("exemplars retrieval-reasoning", "records"), ("exemplars retrieval-reasoning", "target"),
    ]  # fmt: skip
    assert attacks["gain"].drop_nulls().len() == 1
    row = table.filter(attack="train", feature="highest").row(0, named=True)
    assert row["others"] == 80
    assert row["fpr"] == pytest.approx(row["others"] // 100 / row["others"], abs=1e-4)
