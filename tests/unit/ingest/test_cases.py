"""Small files made after public bug reports, each read as its README says a user expects."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trialforge.core.errors import IngestError
from trialforge.ingest.population import PopulationParams, left_out
from trialforge.ingest.registry import RegistrySource

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> Path:
    return shared_data.parent / "cases"


def read(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, tuple[str, str]]]:
    """The trials by id, and reason and detail of what was refused by id, or by file where there is none."""
    batches = list(RegistrySource(path).batches())
    trials = pl.concat([batch.trials for batch in batches]).to_dicts()
    refused = pl.concat([batch.refused for batch in batches]).rows()
    return (
        {trial["nct_id"]: trial for trial in trials},
        {record or file: (reason, detail) for file, record, reason, detail in refused},
    )


def test_dates_of_several_shapes_and_ages_in_units(cases: Path) -> None:
    trials, refused = read(cases / "01-dates-ages" / "t.jsonl")
    assert {nct_id: trial["start_date"] for nct_id, trial in trials.items()} == {
        "NCT00000001": date(2019, 1, 1),  # "2019"
        "NCT00000003": date(2031, 1, 1),  # "January 2031"
        "NCT00000005": None,  # "02/03/2015": two days
        "NCT00000007": date(2015, 3, 2),  # "2 March 2015"
        "NCT00000009": date(2015, 3, 2),  # "20150302"
        **dict.fromkeys(("NCT00000010", "NCT00000012", "NCT00000014"), date(2015, 3, 2)),
    }
    assert (trials["NCT00000010"]["minimum_age"], trials["NCT00000010"]["maximum_age"]) == (0.5, None)
    assert (trials["NCT00000012"]["minimum_age"], trials["NCT00000012"]["maximum_age"]) == (None, 65.0)
    assert (trials["NCT00000014"]["minimum_age"], trials["NCT00000014"]["maximum_age"]) == (0.0, 130.0)
    assert {nct_id: detail for nct_id, (_, detail) in refused.items()} == {
        "NCT00000005": "start_date 02/03/2015; the trial is kept without it",
        "NCT00000012": "minimum_age 18; the trial is kept without it",
    }


@pytest.mark.parametrize("name", ["ctg-studies.csv", "ctg-studies.tsv", "folder"])
def test_the_csv_and_tsv_of_the_registrys_site(name: str, cases: Path) -> None:
    trials, refused = read(cases / "03-ctgov-csv" / name)
    assert refused == {}
    assert [trial["status"] for trial in trials.values()] == ["Completed", "Terminated"] * 2
    first = trials["NCT00000001"]
    assert [one["name"] for one in first["interventions"]] == ["Lozenge", "Placebo"]
    assert (first["phase"], first["enrolment_actual"], first["masking"]) == ("Phase 2/Phase 3", 60, "Double")
    assert (first["start_date"], first["completion_date"]) == (date(2015, 3, 1), date(2017, 6, 1))
    if not name.endswith(".tsv"):  # in which every comma of a text became a tab, too
        assert (first["countries"], first["primary_outcomes"][0]["time_frame"]) == (["France"], "2 weeks")


@pytest.mark.parametrize("name", ["aact", "20240101_pipe-delimited-export.zip", ""])
def test_aact_as_folder_and_zip(name: str, cases: Path) -> None:
    trials, refused = read(cases / "04-aact" / name)
    trial = trials["NCT00000001"]
    assert (trial["phase"], trial["status"], trial["start_date"]) == (
        "Phase 2",
        "Completed",
        date(2015, 3, 2),
    )
    assert trial["criteria"] == "Inclusion Criteria:\n- Sore throat"
    assert {reason for reason, _ in refused.values()} == ({"other_file"} if name == "" else set())


CONTAINERS = {
    "a-zip-in-folder": 3, "c-plain-named-gz.jsonl.gz": 3, "e-dict.json": 3, "g-utf16.json": 2,
    "i-zip-named-gz.json.gz": 3, "m-page-array-first.json": 2, "o.tar.gz": 2, "q-trailing-comma.json": 2,
    "t-pretty-lines.json": 2, "v-bz2.jsonl.bz2": 3,
}  # fmt: skip


@pytest.mark.parametrize("name", CONTAINERS)
def test_shapes_that_scripts_leave_behind(name: str, cases: Path) -> None:
    trials, refused = read(cases / "07-containers" / name)
    assert (len(trials), refused) == (CONTAINERS[name], {})
    assert all(trial["title"].startswith("Lozenge trial") for trial in trials.values())


def test_what_can_not_be_read_names_the_mend(cases: Path) -> None:
    trials, refused = read(cases / "07-containers" / "s-nan.jsonl")
    assert (list(trials), refused) == (
        ["NCT00000001"], {"s-nan.jsonl:2": ("not_a_number", "NaN is not a JSON value; write null")},
    )  # fmt: skip
    with pytest.raises(
        IngestError, match=r"k-legacy\.json.* API v1, which ended in 2024: fetch the same ids anew"
    ):
        read(cases / "07-containers")


def test_odd_values(cases: Path) -> None:
    trials, refused = read(cases / "11-odd-values" / "t.jsonl")
    assert len(trials) == 19
    assert trials["NCT00000001"]["enrolment_actual"] == 0
    assert trials["NCT00000005"]["enrolment_planned"] == 60
    assert trials["NCT00000009"]["interventions"] == trials["NCT00000009"]["arms"] == []
    assert len(trials["NCT00000011"]["arms"]) > 10
    phases = {
        "NCT00000013": None,
        "NCT00000015": "Early Phase 1",
        "NCT00000021": "Phase 2",
        "NCT00000017": None,
    }
    assert {nct_id: trials[nct_id]["phase"] for nct_id in phases} == phases
    assert {nct_id: detail.partition(";")[0] for nct_id, (_, detail) in refused.items()} == {
        "NCT00000007": "enrolment -1",
        "NCT00000017": "phase PHASE3/PHASE4",
        "NCT00000019": "phase PHASE1/PHASE2/PHASE3",
        "NCT00000037": "phase NA/PHASE2",
        "NCT00000026": "study_type PATIENT_REGISTRY",
    }


def test_observational_studies_and_expanded_access_are_left_out(cases: Path) -> None:
    (batch,) = RegistrySource(cases / "18-observational" / "t.jsonl").batches()
    reason, _ = left_out(PopulationParams())
    assert dict(batch.trials.select("nct_id", reason.alias("reason")).iter_rows()) == {
        "NCT00000001": None,
        **dict.fromkeys(("NCT00000002", "NCT00000003", "NCT00000004"), "other_study_type"),
    }
