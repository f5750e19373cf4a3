"""What the presence of a field tells about the label is measured, and what tells too much is dropped."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from trialforge.simulation.corpus import simulate
from trialforge.split.presence import (
    drop_fields,
    era_fields,
    is_as_registered,
    presence_auc,
    presence_table,
    shift_metrics,
    telling_fields,
    warn_of_shift,
)
from trialforge.trial.leakage import registration_view

# Of every field some trials lack, whatever their label.
ABSENT = pl.Series(np.random.default_rng(2).random(400) < 0.3)
TRIALS = simulate(400, seed=3).with_columns(
    label=(pl.col("status") == "Completed").cast(pl.Int64),
    official_title=pl.when(~ABSENT).then("official_title"),
)
CLUSTERS = pl.Series([f"drug {number % 40}" for number in range(400)])


def plant(share_of_failures: float) -> pl.DataFrame:
    """Trials of which successes all have a planned enrolment, failures in some share only."""
    stream = np.random.default_rng(1)
    kept = pl.Series(stream.random(len(TRIALS)) < share_of_failures) | (TRIALS["label"] == 1)
    planned = pl.when(kept).then(pl.lit(100)).alias("enrolment_planned")
    return TRIALS.with_columns(planned.cast(pl.Int64))


def test_presence_without_regard_to_the_label_tells_nothing() -> None:
    assert telling_fields(presence_table(TRIALS), 0.55) == []
    found = presence_auc(TRIALS, CLUSTERS, seed=1)
    assert found is not None
    assert found == pytest.approx(0.5, abs=0.08)


def test_a_field_that_successes_alone_fill_is_named_with_its_auc() -> None:
    planted = plant(0.5)
    row = presence_table(planted).filter(field="enrolment_planned").row(0, named=True)
    assert row["success"] == 1
    assert row["auc"] == pytest.approx(0.5 + (1 - row["failure"]) / 2)
    assert telling_fields(presence_table(planted), 0.55) == ["enrolment_planned"]
    found = presence_auc(planted, CLUSTERS, seed=1)
    assert found is not None
    assert found > 0.7


@pytest.mark.parametrize("name", ["minimum_age", "maximum_age"])
def test_an_absent_age_is_no_limit_and_is_never_dropped(name: str) -> None:
    stream = np.random.default_rng(1)
    limited = pl.Series(stream.random(len(TRIALS)) < 0.5) | (TRIALS["label"] == 1)
    planted = TRIALS.with_columns(pl.when(limited).then(pl.lit(65.0)).alias(name))
    assert name not in presence_table(planted)["field"]
    assert telling_fields(presence_table(planted), 0.5) == telling_fields(presence_table(TRIALS), 0.5)
    assert presence_auc(planted, CLUSTERS, seed=1) == presence_auc(TRIALS, CLUSTERS, seed=1)


def test_a_difference_that_chance_makes_drops_no_field() -> None:
    few = plant(0.5).head(6)
    assert telling_fields(presence_table(few), 0.5) == []


def test_a_dropped_field_is_filled_in_no_trial() -> None:
    view = drop_fields(registration_view(TRIALS), ["enrolment_planned", "arms"])
    assert view["enrolment_planned"].null_count() == len(view)
    assert view["arms"].list.len().sum() == 0
    assert view.schema == registration_view(TRIALS).schema


def test_first_versions_are_known_by_their_dates() -> None:
    assert not is_as_registered(TRIALS.with_columns(last_updated=pl.lit(date(2024, 1, 1))))
    assert is_as_registered(TRIALS.with_columns(last_updated=pl.col("first_submitted")))


def test_a_field_of_one_era_is_named_with_its_years() -> None:
    days = [date(2000, 1, 1) + timedelta(days=30 * number) for number in range(len(TRIALS))]
    dated = TRIALS.with_columns(start_date=pl.Series(days), sponsor_class=pl.lit("Industry"))
    newest = pl.int_range(pl.len()) >= 300
    one = dated.with_columns(sponsor_class=pl.when(newest).then("sponsor_class"))
    assert "sponsor_class" not in era_fields(dated)
    assert era_fields(one)["sponsor_class"] == f"{days[300].year} to {days[-1].year}"


def test_years_between_train_and_test_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    early = TRIALS.with_columns(start_date=pl.lit(date(2000, 1, 1)), phase=pl.lit("Phase 1"))
    halves = pl.Series(["train"] * 200 + ["test"] * 200)
    split = pl.DataFrame({"nct_id": early["nct_id"], "part": halves})
    late = pl.col("nct_id").is_in(split.filter(part="test")["nct_id"].implode())
    moved = early.with_columns(
        start_date=pl.when(late).then(date(2007, 1, 1)).otherwise("start_date"),
        phase=pl.when(late).then(pl.lit("Phase 3")).otherwise("phase"),
    )
    near, far = shift_metrics(early, split), shift_metrics(moved, split)
    assert (near["gap_years"], near["phase_shift"]) == (0, 0)
    assert (far["gap_years"], far["phase_shift"]) == (7.0, 1.0)
    warn_of_shift(near, 0)
    assert capsys.readouterr().err == ""
    warn_of_shift(far, 12)
    assert "7.0 years after the median train trial; phases differ by 100%" in capsys.readouterr().err
