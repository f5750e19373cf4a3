"""Real trials said as a generator would have to say them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from trialforge.generation.draft_form import as_drafts
from trialforge.generation.schema import DEFAULT_FIELDS, TEXT_BOUNDS
from trialforge.ingest.registry import RegistrySource
from trialforge.simulation.corpus import simulate
from trialforge.trial.leakage import registration_view
from trialforge.trial.text import trial_text


def ready(trials: pl.DataFrame) -> pl.DataFrame:
    view = registration_view(trials)
    names = pl.col("interventions").list.eval(pl.element().struct.field("name").str.to_lowercase())
    return view.with_columns(
        normalized_interventions=names, label=(pl.int_range(pl.len()) % 2).cast(pl.Int64)
    )


def check_form(trials: pl.DataFrame) -> pl.DataFrame:
    drafts = as_drafts(trials, DEFAULT_FIELDS)
    same = ["nct_id", "label", "phase", "conditions", "first_submitted"]
    assert drafts.select(same).equals(trials.select(same).with_columns(pl.col("conditions").fill_null([])))
    assert drafts.schema == trials.schema
    assert drafts["keywords"].list.len().max() == drafts["secondary_outcomes"].list.len().max() == 0
    assert (
        drafts["detailed_description"].null_count() == drafts["official_title"].null_count() == drafts.height
    )
    for name in ("title", "summary"):
        assert (drafts[name].str.len_chars().fill_null(0) <= TEXT_BOUNDS[name].high).all()
    assert drafts["primary_outcomes"].list.len().max() == 1
    assert drafts["arms"].list.len().max() <= 3
    return drafts


def test_simulated_trials_keep_what_a_draft_holds_and_lose_the_rest() -> None:
    trials = ready(simulate(60, 1))
    drafts = check_form(trials)
    assert drafts["criteria"].str.contains("Inclusion").all()
    assert drafts["interventions"].list.len().min() == 1
    long, short = (frame.select(trial_text())["text"].str.len_chars().mean() for frame in (trials, drafts))
    assert 0.2 * float(long) < float(short) < float(long)


@pytest.mark.shared
def test_registry_records_of_every_kind_have_a_draft(shared_data: Path) -> None:
    source = RegistrySource(shared_data / "ctgov/studies_v2.jsonl.gz")
    trials = ready(pl.concat([batch.trials for batch in source.batches()]))
    assert check_form(trials).height > 300
