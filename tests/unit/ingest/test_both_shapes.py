"""The same trial by legacy XML and by API v2 is the same trial."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ingest.made_records import study_record, xml_record
from trialforge.ingest.ctgov_json import parse_study
from trialforge.ingest.ctgov_xml import parse_xml
from trialforge.ingest.raw import tabulate
from trialforge.ingest.typed import build_batch
from trialforge.trial.record import TRIAL_SCHEMA

if TYPE_CHECKING:
    import polars as pl


def read_xml(data: bytes) -> dict[str, Any]:
    return one(build_batch(tabulate([parse_xml(data)], ["a.xml"]), "ctgov-xml", markdown=False).trials)


def read_study(study: dict[str, Any]) -> dict[str, Any]:
    return one(build_batch(tabulate([parse_study(study)], ["a.json"]), "ctgov-json", markdown=True).trials)


def one(trials: pl.DataFrame) -> dict[str, Any]:
    (row,) = trials.select(TRIAL_SCHEMA.keys()).to_dicts()
    return row


EXPECTED = {
    "nct_id": "NCT09000001",
    "title": "Drug A & Drug B in Café Workers",
    "official_title": "A Randomized Trial of Drug A",
    "phase": "Phase 1/Phase 2",
    "study_type": "Interventional",
    "conditions": ["Fatigue", "Sleep Disorder"],
    "interventions": [
        {
            "type": "Dietary Supplement",
            "name": "Drug A",
            "description": "5 mg",
            "other_names": ["A-1", "Aspirinol"],
        }
    ],
    "summary": (
        "The purpose of this trial is to see whether drug A, given twice a day to people who work in cafés,"
        " is better than drug B.\nIt is not."
    ),
    "allocation": "Non-Randomized",
    "intervention_model": "Crossover",
    "masking": "Double",
    "primary_purpose": "Supportive Care",
    "arms": [
        {
            "label": "I",
            "type": "Active Comparator",
            "description": "Drug A twice daily",
            "interventions": ["Drug A"],
        },
        {"label": "II", "type": "No Intervention", "description": None, "interventions": []},
    ],
    "primary_outcomes": [
        {"measure": "Cups a day", "time_frame": "12 weeks", "description": "Cups: - filled - spilt"}
    ],
    "secondary_outcomes": [{"measure": "Sleep quality", "time_frame": None, "description": None}],
    "criteria": (
        "Inclusion Criteria:\n- People of 18 years or more who work in a place where coffee is made and drunk"
        " all day long\n- and who sleep badly\n1. Able to consent\nExclusion Criteria:\n- Weight > 150 kg"
    ),
    "minimum_age": 0.5,
    "maximum_age": None,
    "sex": "All",
    "healthy_volunteers": True,
    "enrolment_planned": 120,
    "detailed_description": "OUTLINE: People are randomized to one of two arms [1:1].\nARM I: A<B",
    "keywords": ["coffee", "sleep"],
    "condition_mesh": ["Fatigue"],
    "intervention_mesh": ["Caffeine"],
    "sponsor_class": "Federal",
    "first_submitted": date(2015, 5, 4),
    "enrolment_actual": None,
    "countries": ["Chad", "France"],
    "start_date": date(2015, 6, 1),
    "primary_completion_date": date(2017, 6, 5),
    "completion_date": date(2018, 12, 31),
    "last_updated": date(2016, 8, 17),
    "status": "Active, not recruiting",
    "why_stopped": None,
    "has_results": True,
    "primary_analyses": [{"p_value": "<0.001", "method": "ANCOVA", "hypothesis": "Superiority or Other"}],
    "label": None,
    "label_source": None,
    "label_evidence": None,
    "label_csv": None,
    "label_results": None,
    "label_status": None,
    "label_top": None,
}


def test_xml_record_is_read_as_worked_out_by_hand() -> None:
    assert read_xml(xml_record()) == EXPECTED | {"source": "ctgov-xml"}


def test_api_study_is_read_as_worked_out_by_hand() -> None:
    assert read_study(study_record()) == EXPECTED | {"source": "ctgov-json"}


# Each row: the words of the XML, those of API v2, and what both become.
WORDS = [
    ("phase", "Early Phase 1", "designModule__phases", ["EARLY_PHASE1"], "Early Phase 1"),
    ("phase", "Phase 2/Phase 3", "designModule__phases", ["PHASE2", "PHASE3"], "Phase 2/Phase 3"),
    ("phase", "Phase 4", "designModule__phases", ["PHASE4"], "Phase 4"),
    ("phase", "N/A", "designModule__phases", ["NA"], "N/A"),
    ("study_type", "Observational [Patient Registry]", "designModule__studyType", "OBSERVATIONAL",
     "Observational"),
    ("study_type", "Expanded Access", "designModule__studyType", "EXPANDED_ACCESS", "Expanded Access"),
    ("overall_status", "Unknown status", "statusModule__overallStatus", "UNKNOWN", "Unknown status"),
    ("overall_status", "Withdrawn", "statusModule__overallStatus", "WITHDRAWN", "Withdrawn"),
    ("overall_status", "No longer available", "statusModule__overallStatus", "NO_LONGER_AVAILABLE",
     "No longer available"),
    ("gender", "Female", "eligibilityModule__sex", "FEMALE", "Female"),
]  # fmt: skip
FIELDS = {"overall_status": "status", "gender": "sex"}


@pytest.mark.parametrize(
    ("tag", "xml", "place", "api", "word"), WORDS, ids=[f"{row[0]}-{row[4]}" for row in WORDS]
)
def test_words_of_both_shapes_are_one_word(tag: str, xml: str, place: str, api: Any, word: str) -> None:
    field = FIELDS.get(tag, tag)
    assert read_xml(xml_record(**{tag: xml}))[field] == word
    assert read_study(study_record(**{place: api}))[field] == word


@pytest.mark.parametrize(
    ("age", "years"),
    [("18 Years", 18.0), ("1 Year", 1.0), ("6 Months", 0.5), ("2 Weeks", 14 / 365.25), ("1 Day", 1 / 365.25),
     ("12 Hours", 12 / 8766), ("30 Minutes", 30 / 525960), ("N/A", None)],
)  # fmt: skip
def test_ages_are_years(age: str, years: float | None) -> None:
    expected = None if years is None else pytest.approx(years)
    assert read_xml(xml_record(minimum_age=age))["minimum_age"] == expected
    assert read_study(study_record(eligibilityModule__minimumAge=age))["minimum_age"] == expected


@pytest.mark.parametrize("kind", ["Actual", "Anticipated", None])
def test_enrolment_is_planned_unless_it_is_actual(kind: str | None) -> None:
    xml = xml_record().replace(
        b' type="Anticipated">120', f' type="{kind}">120'.encode() if kind else b">120"
    )
    info = {"count": 120} | ({"type": "ACTUAL" if kind == "Actual" else "ESTIMATED"} if kind else {})
    expected = (None, 120) if kind == "Actual" else (120, None)
    for trial in (read_xml(xml), read_study(study_record(designModule__enrollmentInfo=info))):
        assert (trial["enrolment_planned"], trial["enrolment_actual"]) == expected


def test_arms_without_labels_take_the_names_they_list() -> None:
    study = study_record()
    del study["protocolSection"]["armsInterventionsModule"]["interventions"][0]["armGroupLabels"]
    assert read_study(study)["arms"][0]["interventions"] == ["Drug A"]
