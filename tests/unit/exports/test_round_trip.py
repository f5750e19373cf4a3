"""What is exported in the registry's shapes, our own readers read back as it was."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.reporting import sample
from trialforge.exports.export import export_records
from trialforge.exports.registry_json import to_study
from trialforge.exports.registry_xml import to_xml
from trialforge.ingest.ctgov_json import parse_study
from trialforge.ingest.ctgov_xml import parse_xml
from trialforge.ingest.raw import tabulate
from trialforge.ingest.registry import RegistrySource
from trialforge.ingest.source import Batch, refuse_synthetic
from trialforge.ingest.typed import build_batch
from trialforge.trial.record import (
    REGISTRATION_FIELDS,
    Arm,
    Endpoint,
    Intervention,
    Trial,
    trials_to_frame,
)

pytestmark = pytest.mark.slow

FILES = {"xml": "synthetic-trials.zip", "api": "synthetic-studies-001.json"}


def full_trial() -> Trial:
    """A trial with a value in every registration field, markup and Markdown among them."""
    drug, other = "Verazumab <b>", "Placebo & saline"
    return sample.make_trial(
        "SYN-0123456789ab",
        source="synthetic",
        drug=drug,
        official_title="A *Double-Blind* Trial of x_1 in 5 < n < 10",
        phase="Phase 1/Phase 2",
        interventions=[
            Intervention(type="Biological", name=drug, description="300 mg", other_names=["VZB-1", "Vera"]),
            Intervention(type="Dietary Supplement", name=other),
        ],
        arms=[
            Arm(label="A", type="Experimental", description="active", interventions=[drug, other]),
            Arm(label="B", type="Placebo Comparator", interventions=[other]),
        ],
        allocation="Non-Randomized",
        intervention_model="Single Group",
        masking="None",
        primary_purpose="Health Services Research",
        secondary_outcomes=[Endpoint(measure="DLQI", time_frame="Week 4", description="0 to 30")],
        criteria="Inclusion Criteria:\n- ALT \\< 2 x ULN\n- a back\\slash\nExclusion Criteria:\n- pregnancy",
        minimum_age=0.5,
        maximum_age=75.0,
        sex="Female",
        healthy_volunteers=True,
        detailed_description="First paragraph.\nSecond paragraph.",
        keywords=["plaque", "skin"],
        condition_mesh=["Psoriasis"],
        intervention_mesh=["Antibodies, Monoclonal"],
        sponsor_class="Other Government",
        first_submitted=date(2019, 4, 30),
    )


def as_records(trials: list[Trial]) -> pl.DataFrame:
    return trials_to_frame(trials).select(REGISTRATION_FIELDS).with_columns(label=pl.lit(1, dtype=pl.Int64))


def read_back(form: str, folder: Path) -> Batch:
    (batch,) = RegistrySource(folder / FILES[form]).batches()
    return batch


@pytest.mark.parametrize("form", FILES)
def test_every_registration_field_comes_back_equal(form: str, tmp_path: Path) -> None:
    plain = sample.make_trial("SYN-00000000000f", source="synthetic", minimum_age=None, sex=None)
    records = as_records([plain, full_trial()])
    export_records(records, form, tmp_path, "card")
    batch = read_back(form, tmp_path)
    assert batch.refused.is_empty()
    for before, after in zip(
        records.select(REGISTRATION_FIELDS).to_dicts(),
        batch.trials.select(REGISTRATION_FIELDS).to_dicts(),
        strict=True,
    ):
        assert after == before


LINES = st.from_regex(
    r"[A-Za-z0-9<>&%.,;:'\"\\_*#()\[\]-]{1,8}( [A-Za-z0-9<>&%.,;:'\"\\_*#()\[\]-]{1,8}){0,6}", fullmatch=True
)


@settings(max_examples=15, deadline=None)
@given(lines=st.lists(LINES.filter(lambda line: line[0] not in "-*"), min_size=1, max_size=4))
def test_any_text_comes_back_equal(lines: list[str]) -> None:
    text = "\n".join(lines)
    trial = sample.make_trial(
        "SYN-0123456789ab", source="synthetic", title=lines[0], criteria=text, summary=text
    )
    study = to_study(trial, {})
    for raw, markdown in ((parse_xml(to_xml(trial, {})), False), (parse_study(study), True)):
        after = build_batch(tabulate([raw], ["file"]), "ctgov", markdown=markdown).trials.row(0, named=True)
        assert (after["title"], after["criteria"], after["summary"]) == (lines[0], text, text)


@pytest.mark.parametrize("form", FILES)
def test_an_exported_trial_can_not_enter_the_corpus(form: str, tmp_path: Path) -> None:
    export_records(as_records([full_trial()]), form, tmp_path, "card")
    batch = refuse_synthetic(read_back(form, tmp_path))
    assert batch.trials.is_empty()
    assert batch.refused["reason"].to_list() == ["synthetic_record"]
